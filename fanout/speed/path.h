/* Path: a message of usual frames, from its bytes to the commit. Twin: `SendPath.append`. */

#pragma once

#include "log.h"

typedef struct {
    PyObject_HEAD
    PyObject *log;     /* a Log; NULL = nothing is shared */
    PyObject *table;   /* a TopicTable */
    PyObject *headers; /* of a last frame, by its size: a list of bytes */
    PyObject *more;    /* the same of others; NULL = nobody has needed it */
    PyObject *end;     /* bytes behind each body: none, or room for a number */
    Py_ssize_t most;   /* bytes of frames that make no message that is too large */
    Py_ssize_t young;  /* the place of the younger generation in the table */
    Py_buffer gate, held;
    uint64_t open; /* what the gate says when it is open */
    char ask_each; /* there are more workers than the word of the sleepers has bytes */
    unsigned long long batch_bytes; /* that a batch may have, */
    Py_ssize_t batch_count;         /* and messages */
} Path;

static PyObject *log_type, *path_type;

HOLDING(Path, log, 5)

/* Topics by name; a borrowed reference. NULL: it is not known where they are. */
static PyObject *young_of(const Path *self) {
    PyObject *young = at(self->table, self->young);
    return young != NULL && PyDict_CheckExact(young) ? young : NULL;
}

static PyObject *path_share(PyObject *object, PyObject *args) {
    Path *self = (Path *)object;
    PyObject *log, *table, *headers, *end, *gate, *held, *usual, *placed;
    unsigned long long open;
    if (!PyArg_ParseTuple(args, "O!OO!nSOOKO!O!", log_type, &log, &table, &PyList_Type, &headers,
                          &self->most, &end, &gate, &held, &open, &PyType_Type, &usual,
                          &PyType_Type, &placed))
        return NULL;
    if (((Log *)log)->size == 0) return mistake("log must be one that shares memory");
    if (share_words(gate, &self->gate) < 0 || share_words(held, &self->held) < 0) return NULL;
    put(&self->log, log), put(&self->table, table), put(&self->headers, headers);
    put(&self->end, end), self->batch_bytes = UINT64_MAX, self->batch_count = PY_SSIZE_T_MAX;
    bytes_begin = PyBytes_AsString(end) - (const char *)end;
    self->open = open, self->young = place_of((PyObject *)Py_TYPE(table), "young");
    note_topics(usual, placed);
    if (young_of(self) != NULL) put(&topics.unknown, PyDict_GetItem(young_of(self), Py_None));
    return Py_NewRef(Py_None);
}

static void path_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object), Path_clear(object);
    PyBuffer_Release(&((Path *)object)->gate), PyBuffer_Release(&((Path *)object)->held);
    free_object(object);
}

/* Whether anybody may append now, and need not wait for whoever does. */
static int is_free(const Path *self) {
    return *(uint64_t *)self->held.buf == 0 && load(self->gate.buf) == self->open;
}

/* Adds what there is of an object; returns whether that is bytes. */
static int add_bytes(Message *message, PyObject *bytes) {
    if (bytes == NULL || !PyBytes_CheckExact(bytes)) return 0;
    add_piece(message, bytes_in(bytes), (size_t)Py_SIZE(bytes));
    return 1;
}

/* Adds the header of a frame that is longer than those in the tables. Twin: `frame_header`. */
static void add_header(Message *message, char *header, Py_ssize_t size, int more) {
    header[0] = (char)(LONG | (more ? MORE : 0));
    for (int i = LONG_HEADER - 1; i > 0; i--, size >>= 8) header[i] = (char)size;
    add_piece(message, header, LONG_HEADER);
}

/* Adds frames behind a topic, with their headers. Returns as `encode`. */
static int add_frames(Path *self, PyObject *const *frames, Py_ssize_t count, Message *message) {
    Py_ssize_t size = 0, limit = Py_SIZE(self->headers);
    int is_numbered = Py_SIZE(self->end) > 0; /* then a frame follows the last one */
    PyObject *more = count > 1 ? self->more : self->headers;
    if (more == NULL) { /* Python runs, once: then this message is the twin's */
        self->more = PyObject_GetAttrString((PyObject *)self, "_more_headers");
        return self->more == NULL ? -1 : 0;
    }
    if (!PyList_CheckExact(more) || Py_SIZE(more) < limit) return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *frame = frames[i], *headers = i + 1 < count ? more : self->headers;
        if (!PyBytes_CheckExact(frame) || (size += Py_SIZE(frame)) >= self->most) return 0;
        if (Py_SIZE(frame) >= limit)
            add_header(message, message->headers[i], Py_SIZE(frame), i + 1 < count || is_numbered);
        else if (!add_bytes(message, PyList_GetItem(headers, Py_SIZE(frame)))) return 0;
        add_bytes(message, frame);
    }
    return !is_numbered || add_bytes(message, self->end);
}

/* Puts a message together, of pieces that are borrowed: no Python code runs until it is committed.
   Returns 1; 0: it is not usual, and the twin's; -1: an error is set.
   Twins: `SendPath.append`, at its beginning, and `Encoder.frames`. */
static int encode(Path *self, PyObject *subject, PyObject *const *frames, Py_ssize_t count,
                  Message *message) {
    message->size = 0, message->count = 0;
    if (self->log == NULL) return 0;
    message->topic = subject;
    if (is_topic(subject)) /* then the frame is all of the message, headers too */
        return count == 1 && add_bytes(message, frames[0]);
    PyObject *topic = topics.unknown; /* as in the table under None, without a look */
    if (subject != Py_None) {
        PyObject *young = young_of(self);
        int is_text = PyUnicode_CheckExact(subject);
        if (young == NULL || (!is_text && !PyBytes_CheckExact(subject))) return 0;
        PyObject *name = is_text ? PyUnicode_AsUTF8String(subject) : Py_NewRef(subject);
        if (name == NULL) return PyErr_Clear(), 0; /* it has no UTF-8, which the twin says */
        topic = PyDict_GetItemWithError(young, name);
        Py_DECREF(name);
    }
    if (topic == NULL) return PyErr_Occurred() ? -1 : 0;
    message->topic = topic;
    if (!is_topic(topic) || !add_bytes(message, at(topic, topics.head))) return 0;
    return add_frames(self, frames, count, message);
}

/* Of each sleeper's byte, that it is to be rung in any case. Twin: `worker_slot.HOLDING`. */
#define HOLDS 0x0202020202020202

/* After a commit, of a topic or of a batch. Returns 1, or -1 if an error is set. */
static int wake(Path *self, PyObject *on) {
    uint64_t asleep = load(((Log *)self->log)->at[SLEEPERS]);
    if (asleep == 0 && !self->ask_each) return 1;
    const char *how = asleep & HOLDS || self->ask_each ? "_look_and_wake_on" : "_wake_on";
    PyObject *held[] = {Py_NewRef((PyObject *)self), Py_NewRef(on)}; /* from here on Python runs */
    PyObject *woken = PyObject_CallMethod(held[0], how, "(O)", on);
    Py_XDECREF(woken), Py_DECREF(held[0]), Py_DECREF(held[1]);
    return woken == NULL ? -1 : 1;
}

/* Commits one message and wakes whom it concerns; the usual case of it, and the twin does the rest.
   From `is_free()` to the commit there are loads and stores only, so that nothing comes between.
   Returns 1; 0 with nothing changed: it is the twin's; -1: an error is set. */
static int append_usual(Path *self, Message *message, uint64_t *sequence) {
    if (!is_free(self) || !commit((Log *)self->log, message, sequence)) return 0;
    return wake(self, message->topic);
}

static PyObject *path_append(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    uint64_t sequence = 0;
    Message message;
    if (count != 2) return mistake("append() takes a body and a subject");
    int done = encode((Path *)object, args[1], args, 1, &message);
    if (done > 0) done = append_usual((Path *)object, &message, &sequence);
    if (done != 0) return done < 0 ? NULL : PyLong_FromUnsignedLongLong(sequence);
    return PyObject_CallMethod(object, "append_plainly", "(OO)", args[0], args[1]);
}
