/* Where messages end in what a producer sends, compiled: a part of `fanout._speed`.

   The Python code is the reference, and is complete without this. Each function here names its twin;
   what is not of the frequent kind is left to the frame by frame of `StreamCutter`, as there.
   The interpreter lock is held all the time. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum { MORE = 1, LONG = 2, SHORT_HEADER = 2, LONG_HEADER = 9, SHORT_MAX = 255 };

typedef struct {
    const unsigned char *data;
    Py_ssize_t size;
} Bytes;

/* Where the message ends that begins there, if it is whole and of the frequent kind; else 0.
   Twin: the loop of `Splitter._find`.

   topic: becomes its first frame. is_alone: becomes whether that is its only one. */
static Py_ssize_t end_of(Bytes read, Py_ssize_t begin, uint64_t size_max, Bytes *topic,
                         int *is_alone) {
    const unsigned char *data = read.data;
    if (read.size - begin < SHORT_HEADER) return 0;
    Py_ssize_t start = begin + SHORT_HEADER, end = start + data[begin + 1];
    if (end > read.size) return 0;
    topic->data = data + start, topic->size = end - start;
    *is_alone = data[begin] == 0;
    if (*is_alone) return end;
    if (data[begin] != MORE || read.size - end < SHORT_HEADER) return 0;
    if (data[end] == LONG) {
        if (read.size - end < LONG_HEADER) return 0;
        uint64_t size = 0;
        for (int i = 1; i < LONG_HEADER; i++) size = size << 8 | data[end + i];
        end += LONG_HEADER;
        if (size <= SHORT_MAX || size > size_max || size > (uint64_t)(read.size - end)) return 0;
        return end + (Py_ssize_t)size;
    }
    if (data[end] == MORE) {
        end += SHORT_HEADER + data[end + 1];
        if (read.size - end < SHORT_HEADER) return 0;
    }
    if (data[end] != 0) return 0;
    end += SHORT_HEADER + data[end + 1];
    return end <= read.size ? end : 0;
}

/* What was found last: mostly the next message is on the same topic. */
typedef struct {
    Bytes name;
    PyObject *topic; /* borrowed: of a dict that does not change meanwhile */
} Last;

/* The topic of this name; NULL: it is not known, or an error is set. */
static PyObject *topic_of(PyObject *known, Bytes name, Last *last) {
    if (last->topic != NULL && last->name.size == name.size &&
        memcmp(last->name.data, name.data, (size_t)name.size) == 0)
        return last->topic;
    PyObject *key = PyBytes_FromStringAndSize((const char *)name.data, name.size);
    if (key == NULL) return NULL;
    PyObject *topic = PyDict_GetItemWithError(known, key);
    Py_DECREF(key);
    last->name = name, last->topic = topic;
    return topic;
}

typedef struct {
    uint64_t *words;
    size_t count, room;
} Words;

static int add_word(Words *to, uint64_t word) {
    if (to->count == to->room) {
        size_t room = to->room ? 2 * to->room : 512;
        uint64_t *words = PyMem_Realloc(to->words, room * sizeof *words);
        if (words == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        to->words = words, to->room = room;
    }
    to->words[to->count++] = word;
    return 0;
}

/* Twin: the loop of `Splitter._find`. */
static PyObject *cut(PyObject *module, PyObject *args) {
    PyObject *given, *known, *alone, *topics;
    Py_ssize_t offset;
    unsigned long long shift, size_max;
    if (!PyArg_ParseTuple(args, "SnKKO!OO!", &given, &offset, &shift, &size_max, &PyDict_Type,
                          &known, &alone, &PyList_Type, &topics))
        return NULL;
    Bytes read = {(const unsigned char *)PyBytes_AsString(given), PyBytes_Size(given)}, name;
    if (offset < 0 || offset > read.size) {
        PyErr_SetString(PyExc_ValueError, "offset must be within the data");
        return NULL;
    }
    Words ends = {NULL, 0, 0};
    Last last = {{NULL, 0}, NULL};
    int is_alone, failed = 0;
    Py_ssize_t begin = offset, end;
    while (!failed && (end = end_of(read, offset, size_max, &name, &is_alone)) != 0) {
        PyObject *topic = NULL;
        if (!is_alone) topic = topic_of(known, name, &last);
        else if (alone != Py_None && name.size > 0 && name.data[0] != 0) topic = alone;
        if (topic == NULL) break;
        failed = PyList_Append(topics, topic) < 0 ||
                 add_word(&ends, shift + (uint64_t)(end - begin)) < 0;
        offset = end;
    }
    PyObject *result = NULL;
    if (!failed && !PyErr_Occurred())
        result = Py_BuildValue("ny#", offset, ends.words == NULL ? "" : (const char *)ends.words,
                               (Py_ssize_t)(ends.count * sizeof *ends.words));
    PyMem_Free(ends.words);
    return result;
}

/* Twin: the ids that `SendPath._ids_of` makes a list of. */
static PyObject *ids_of(PyObject *module, PyObject *topics) {
    if (!PyList_CheckExact(topics)) {
        PyErr_SetString(PyExc_TypeError, "topics must be a list");
        return NULL;
    }
    Words ids = {NULL, 0, 0};
    PyObject *last = NULL, *name = PyUnicode_InternFromString("id");
    if (name == NULL) return NULL;
    uint64_t id = 0;
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PyList_Size(topics); i++) {
        PyObject *topic = PyList_GetItem(topics, i);
        if (topic != last) { /* kept: to ask for an id may run code of Python */
            Py_INCREF(topic);
            Py_XDECREF(last);
            last = topic;
            PyObject *value = PyObject_GetAttr(topic, name);
            id = value == NULL ? 0 : PyLong_AsUnsignedLongLong(value);
            Py_XDECREF(value);
            failed = PyErr_Occurred() != NULL;
        }
        failed = failed || add_word(&ids, id) < 0;
    }
    Py_XDECREF(last);
    Py_DECREF(name);
    PyObject *result = NULL;
    if (!failed)
        result = PyBytes_FromStringAndSize((const char *)ids.words,
                                           (Py_ssize_t)(ids.count * sizeof *ids.words));
    PyMem_Free(ids.words);
    return result;
}

/* Words with so much added to each. Twin: `map(by.__add__, words)`. */
static PyObject *moved(PyObject *module, PyObject *args) {
    Py_buffer words;
    unsigned long long by;
    if (!PyArg_ParseTuple(args, "y*K", &words, &by)) return NULL;
    PyObject *result = NULL;
    if (words.len % (Py_ssize_t)sizeof(uint64_t) != 0)
        PyErr_SetString(PyExc_ValueError, "these are no words");
    else result = PyBytes_FromStringAndSize(NULL, words.len);
    if (result != NULL) {
        char *to = PyBytes_AsString(result);
        for (Py_ssize_t at = 0; at < words.len; at += (Py_ssize_t)sizeof(uint64_t)) {
            uint64_t word;
            memcpy(&word, (const char *)words.buf + at, sizeof word);
            word += by;
            memcpy(to + at, &word, sizeof word);
        }
    }
    PyBuffer_Release(&words);
    return result;
}

PyMethodDef fanout_cutting[] = {
    {"cut", cut, METH_VARARGS,
     "cut(data, offset, shift, size_max, known, alone, topics)\n--\n\nSee `Splitter._find`."},
    {"ids_of", ids_of, METH_O, "ids_of(topics)\n--\n\nTheir ids, as words."},
    {"moved", moved, METH_VARARGS, "moved(words, by)\n--\n\nWords with so much added to each."},
    {NULL, NULL, 0, NULL},
};
