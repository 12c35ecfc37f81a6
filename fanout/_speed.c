/* The append of one small message, compiled: what `SendPath.append` does, as one step.

   The Python code is the reference, and is complete without this. Each function here names its twin;
   nothing is decided here that is not decided there. What is not the usual case (a topic that is not
   known, no room, a flag that is up, a gate that is shut, a lock that is held) is left to the twin.

   Threads. The interpreter lock is held from the first line of a call to its last, and no Python
   code runs in between. So the send lock need not be taken: it is enough that nobody holds it, which
   `held` says (see `Lock`). A signal handler does not run in the middle either: what the twin does
   in steps that may be interrupted is one step here.

   Shared memory. All words are native, aligned and stored whole. The order of stores is that of
   `LogWriter.append`: poison, bytes, index, HEAD; then the look at who sleeps, behind a barrier. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <structmember.h>

#include <stdint.h>
#include <string.h>

#define WORD ((Py_ssize_t)sizeof(uint64_t))

static PyObject *str_acquire, *str_release, *str_is_owned, *str_young, *str_head, *str_id;
static PyObject *str_append_plainly, *str_wake, *str_messages, *str_publish_plainly;

static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static int get_words(PyObject *given, Py_buffer *buffer, Py_ssize_t words, const char *what) {
    if (PyObject_GetBuffer(given, buffer, PyBUF_WRITABLE) < 0) return -1;
    if (buffer->len < words * WORD || (uintptr_t)buffer->buf % sizeof(uint64_t) != 0) {
        PyErr_Format(PyExc_ValueError, "%s must be %zd aligned words", what, words);
        PyBuffer_Release(buffer);
        return -1;
    }
    return 0;
}

static void put(PyObject **place, PyObject *value) {
    PyObject *old = *place;
    Py_XINCREF(value);
    *place = value;
    Py_XDECREF(old);
}

/* Frees an object of a type of this module. */
static void free_object(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* ---- Lock: an RLock that says in a word whether it is held. Twin: `threading.RLock`. ---- */

typedef struct {
    PyObject_HEAD
    PyObject *inner;  /* the RLock */
    Py_buffer held;   /* of a word: the number of the lock that is held, 0 = none */
    uint64_t number;  /* of this lock among those that share the word; from 1 */
} Lock;

static int lock_init(PyObject *object, PyObject *args, PyObject *keywords) {
    Lock *self = (Lock *)object;
    PyObject *inner, *held;
    unsigned long long number;
    static char *names[] = {"inner", "held", "number", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOK", names, &inner, &held, &number))
        return -1;
    if (self->inner != NULL) {
        PyErr_SetString(PyExc_TypeError, "a lock is made once");
        return -1;
    }
    if (get_words(held, &self->held, 1, "held") < 0) return -1;
    put(&self->inner, inner);
    self->number = number;
    return 0;
}

static void lock_dealloc(PyObject *object) {
    Lock *self = (Lock *)object;
    Py_CLEAR(self->inner);
    if (self->held.obj != NULL) PyBuffer_Release(&self->held);
    free_object(object);
}

/* Whether it was made as it should be, by `lock_init`; if not, an error is set. */
static int is_made(const Lock *self) {
    if (self->inner == NULL) PyErr_SetString(PyExc_TypeError, "a lock without an RLock");
    return self->inner != NULL;
}

static PyObject *lock_acquire(PyObject *object, PyObject *args, PyObject *keywords) {
    Lock *self = (Lock *)object;
    PyObject *acquire = is_made(self) ? PyObject_GetAttr(self->inner, str_acquire) : NULL;
    if (acquire == NULL) return NULL;
    PyObject *result = PyObject_Call(acquire, args, keywords);
    Py_DECREF(acquire);
    if (result == Py_True) *(uint64_t *)self->held.buf = self->number;
    return result;
}

/* Nobody holds locks of this kind twice, so that the first release is the last. One that was lost,
   and replaced meanwhile, has no say in the word any more. */
static PyObject *lock_release(PyObject *object, PyObject *unused) {
    Lock *self = (Lock *)object;
    if (!is_made(self)) return NULL;
    uint64_t *held = self->held.buf;
    uint64_t before = *held;
    if (before == self->number) *held = 0;
    PyObject *result = PyObject_CallMethodObjArgs(self->inner, str_release, NULL);
    if (result == NULL) *held = before;
    return result;
}

static PyObject *lock_is_owned(PyObject *object, PyObject *unused) {
    Lock *self = (Lock *)object;
    return is_made(self) ? PyObject_CallMethodObjArgs(self->inner, str_is_owned, NULL) : NULL;
}

static PyObject *lock_repr(PyObject *object) { return PyObject_Repr(((Lock *)object)->inner); }

static PyMethodDef lock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_acquire, METH_VARARGS | METH_KEYWORDS, NULL},
    {"release", lock_release, METH_NOARGS, NULL},
    {"_is_owned", lock_is_owned, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lock_slots[] = {
    {Py_tp_doc, "An RLock that says in a word whether it is held."},
    {Py_tp_init, lock_init},
    {Py_tp_dealloc, lock_dealloc},
    {Py_tp_repr, lock_repr},
    {Py_tp_methods, lock_methods},
    {0, NULL},
};

static PyType_Spec lock_spec = {
    "fanout._speed.Lock", sizeof(Lock), 0, Py_TPFLAGS_DEFAULT, lock_slots,
};

/* ---- Log: the memory of a log, and how far may be written. Twin: `LogWriter`. ---- */

typedef struct {
    PyObject_HEAD
    Py_buffer segment;
    uint64_t *head, *poison, *sleepers, *ends, *topics; /* in the segment */
    char *data;                                         /* in the segment */
    uint64_t size, mask;                                /* bytes of data; entries less one */
    unsigned long long position_limit, sequence_limit;
} Log;

static int log_share(Log *self, PyObject *words, unsigned long long *at) {
    Py_buffer segment;
    uint64_t entries = at[6], size = at[7];
    if (get_words(words, &segment, 1, "words") < 0) return -1;
    uint64_t stops[] = {at[0] + 1, at[1] + 1, at[2] + 1, at[3] + entries, at[4] + entries};
    uint64_t all = (uint64_t)(segment.len / WORD);
    int is_right = entries > 0 && (entries & (entries - 1)) == 0 && at[5] < all && size > 0 &&
                   size <= (all - at[5]) * WORD;
    for (int i = 0; i < 5; i++) is_right = is_right && at[i] < all && stops[i] <= all;
    if (!is_right) {
        PyBuffer_Release(&segment);
        PyErr_SetString(PyExc_ValueError, "the log lies outside of the segment");
        return -1;
    }
    if (self->segment.obj != NULL) PyBuffer_Release(&self->segment);
    uint64_t *first = segment.buf;
    self->segment = segment;
    self->head = first + at[0], self->poison = first + at[1], self->sleepers = first + at[2];
    self->ends = first + at[3], self->topics = first + at[4];
    self->data = (char *)(first + at[5]);
    self->mask = entries - 1, self->size = size;
    return 0;
}

static PyObject *log_share_method(PyObject *object, PyObject *args, PyObject *keywords) {
    PyObject *words;
    unsigned long long at[8];
    static char *names[] = {"words", "head",    "poison",     "sleepers", "ends",
                            "topics", "data", "entries", "data_bytes", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O$KKKKKKKK", names, &words, &at[0], &at[1],
                                     &at[2], &at[3], &at[4], &at[5], &at[6], &at[7]))
        return NULL;
    if (log_share((Log *)object, words, at) < 0) return NULL;
    Py_RETURN_NONE;
}

static void log_dealloc(PyObject *object) {
    Log *self = (Log *)object;
    if (self->segment.obj != NULL) PyBuffer_Release(&self->segment);
    free_object(object);
}

/* Copies bytes to a position of the log, around its end. Twin: `LogWriter._write`. */
static uint64_t write_bytes(Log *log, uint64_t position, const char *bytes, uint64_t size) {
    uint64_t offset = position % log->size, room = log->size - offset;
    uint64_t first = size < room ? size : room;
    memcpy(log->data + offset, bytes, first);
    memcpy(log->data, bytes + first, size - first);
    return position + size;
}

typedef struct {
    const char *bytes;
    Py_ssize_t size;
} Piece;

/* Commits one message of three pieces. Twin: `LogWriter.append`.
   Returns 1; or 0 with nothing changed: there is no room, or the poison flag is up. */
static int commit(Log *log, const Piece *pieces, uint64_t topic_id, uint64_t *sequence) {
    uint64_t head = *log->head;
    if (*log->poison != head) return 0;
    uint64_t position = log->ends[(head - 1) & log->mask];
    uint64_t end = position;
    for (int i = 0; i < 3; i++) end += (uint64_t)pieces[i].size;
    if (end > log->position_limit || head >= log->sequence_limit || end - position > log->size)
        return 0;
    __atomic_store_n(log->poison, head + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the flag is seen up before any byte */
    for (int i = 0; i < 3; i++)
        position = write_bytes(log, position, pieces[i].bytes, (uint64_t)pieces[i].size);
    __atomic_store_n(log->ends + (head & log->mask), end, __ATOMIC_RELAXED);
    __atomic_store_n(log->topics + (head & log->mask), topic_id, __ATOMIC_RELAXED);
    /* Everything before it is seen before it, and it before the look at who sleeps. */
    __atomic_store_n(log->head, head + 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *sequence = head;
    return 1;
}

/* A buffer of as many words as there are messages. */
static int get_numbers(PyObject *given, Py_buffer *buffer, const char *what) {
    if (PyObject_GetBuffer(given, buffer, PyBUF_SIMPLE) < 0) return -1;
    if (buffer->len % WORD != 0 || (uintptr_t)buffer->buf % sizeof(uint64_t) != 0) {
        PyErr_Format(PyExc_ValueError, "%s must be aligned words", what);
        PyBuffer_Release(buffer);
        return -1;
    }
    return 0;
}

/* Commits messages that are back to back, all or none. Twin: `LogWriter._append_many`.
   `ends` are those within `data`. Returns the sequence of the first, or -1: there is no room. */
static long long commit_many(Log *log, Piece data, const uint64_t *ends, const uint64_t *ids,
                             uint64_t count) {
    uint64_t head = *log->head;
    uint64_t start = log->ends[(head - 1) & log->mask];
    if (start + (uint64_t)data.size > log->position_limit || head + count > log->sequence_limit ||
        (uint64_t)data.size > log->size)
        return -1;
    __atomic_store_n(log->poison, head + count, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the flag is seen up before any byte */
    write_bytes(log, start, data.bytes, (uint64_t)data.size);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t slot = (head + i) & log->mask;
        __atomic_store_n(log->ends + slot, start + ends[i], __ATOMIC_RELAXED);
        __atomic_store_n(log->topics + slot, ids[i], __ATOMIC_RELAXED);
    }
    __atomic_store_n(log->head, head + count, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (long long)head;
}

/* The caller holds the send lock, and has seen that the flag is down. */
static PyObject *log_append_coded(PyObject *object, PyObject *args) {
    Log *self = (Log *)object;
    Piece data;
    Py_buffer ends, ids;
    PyObject *given_ends, *given_ids, *result = NULL;
    if (!PyArg_ParseTuple(args, "y#OO", &data.bytes, &data.size, &given_ends, &given_ids))
        return NULL;
    if (get_numbers(given_ends, &ends, "ends") < 0) return NULL;
    if (get_numbers(given_ids, &ids, "ids") == 0) {
        uint64_t count = (uint64_t)(ends.len / WORD), last = 0;
        const uint64_t *end = ends.buf;
        int is_right = count > 0 && ids.len == ends.len && self->segment.obj != NULL;
        for (uint64_t i = 0; is_right && i < count; last = end[i], i++) is_right = end[i] >= last;
        if (!is_right || last != (uint64_t)data.size)
            PyErr_SetString(PyExc_ValueError, "messages must end in their order, where data ends");
        else
            result = PyLong_FromLongLong(commit_many(self, data, end, ids.buf, count));
        PyBuffer_Release(&ids);
    }
    PyBuffer_Release(&ends);
    return result;
}

static PyMethodDef log_methods[] = {
    {"append_coded", log_append_coded, METH_VARARGS,
     "append_coded(data, ends, ids)\n--\n\nSee `LogWriter.append_joined`."},
    {"share", (PyCFunction)(void (*)(void))log_share_method, METH_VARARGS | METH_KEYWORDS,
     "Use this memory; places are words, counted from its start."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef log_members[] = {
    {"_position_limit", T_ULONGLONG, offsetof(Log, position_limit), 0, NULL},
    {"_sequence_limit", T_ULONGLONG, offsetof(Log, sequence_limit), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot log_slots[] = {
    {Py_tp_doc, "The memory of a log, and how far may be written."},
    {Py_tp_dealloc, log_dealloc},
    {Py_tp_methods, log_methods},
    {Py_tp_members, log_members},
    {0, NULL},
};

static PyType_Spec log_spec = {
    "fanout._speed.Log", sizeof(Log), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, log_slots,
};

/* ---- Path: the append itself. Twin: `SendPath.append`. ---- */

typedef struct {
    PyObject_HEAD
    PyObject *log;     /* a Log */
    PyObject *table;   /* a TopicTable */
    PyObject *headers; /* of a last frame, by the size of its body */
    Py_buffer gate, held;
    uint64_t open; /* what the gate says when it is open */
    char ask_each; /* there are more workers than the word of the sleepers has bytes */
} Path;

static PyObject *log_type;

static PyObject *path_share(PyObject *object, PyObject *args, PyObject *keywords) {
    Path *self = (Path *)object;
    PyObject *log, *table, *headers, *gate, *held;
    unsigned long long open;
    Py_buffer gate_buffer, held_buffer;
    static char *names[] = {"log", "table", "headers", "gate", "held", "open", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "$OOOOOK", names, &log, &table, &headers,
                                     &gate, &held, &open))
        return NULL;
    if (!PyObject_TypeCheck(log, (PyTypeObject *)log_type) || ((Log *)log)->segment.obj == NULL) {
        PyErr_SetString(PyExc_TypeError, "log must be a Log that shares memory");
        return NULL;
    }
    if (!PyList_Check(headers)) {
        PyErr_SetString(PyExc_TypeError, "headers must be a list");
        return NULL;
    }
    if (get_words(gate, &gate_buffer, 1, "gate") < 0) return NULL;
    if (get_words(held, &held_buffer, 1, "held") < 0) {
        PyBuffer_Release(&gate_buffer);
        return NULL;
    }
    if (self->gate.obj != NULL) PyBuffer_Release(&self->gate);
    if (self->held.obj != NULL) PyBuffer_Release(&self->held);
    self->gate = gate_buffer, self->held = held_buffer;
    put(&self->log, log), put(&self->table, table), put(&self->headers, headers);
    self->open = open;
    Py_RETURN_NONE;
}

static int path_traverse(PyObject *object, visitproc visit, void *arg) {
    Path *self = (Path *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->log);
    Py_VISIT(self->table);
    Py_VISIT(self->headers);
    return 0;
}

static int path_clear(PyObject *object) {
    Path *self = (Path *)object;
    Py_CLEAR(self->log);
    Py_CLEAR(self->table);
    Py_CLEAR(self->headers);
    return 0;
}

static void path_dealloc(PyObject *object) {
    Path *self = (Path *)object;
    PyObject_GC_UnTrack(object);
    path_clear(object);
    if (self->gate.obj != NULL) PyBuffer_Release(&self->gate);
    if (self->held.obj != NULL) PyBuffer_Release(&self->held);
    free_object(object);
}

/* The topic of this name, if it was published lately: a new reference, NULL if not (or an error). */
static PyObject *find_topic(Path *self, PyObject *name) {
    PyObject *young = PyObject_GetAttr(self->table, str_young);
    if (young == NULL) return NULL;
    PyObject *topic = PyDict_GetItemWithError(young, name);
    Py_XINCREF(topic);
    Py_DECREF(young);
    return topic;
}

static int piece_of(PyObject *bytes, Piece *piece) {
    if (bytes == NULL || !PyBytes_Check(bytes)) return 0;
    piece->bytes = PyBytes_AsString(bytes);
    piece->size = PyBytes_Size(bytes);
    return 1;
}

/* Whether anybody may append now, and need not wait for whoever does. */
static int is_free(const Path *self) {
    return *(uint64_t *)self->held.buf == 0 && load(self->gate.buf) == self->open;
}

/* What a message is made of, as it travels; whoever has it releases `head`. */
typedef struct {
    Piece pieces[3]; /* the frame of its topic, the header of its body, its body */
    uint64_t id;     /* of its topic */
    PyObject *head;  /* has the bytes of the first piece */
} Parts;

/* Whether this is the body and the subject of a usual message. */
static int is_usual(const Path *self, PyObject *body, PyObject *subject, Piece *piece) {
    return (subject == Py_None || PyBytes_CheckExact(subject)) && piece_of(body, piece) &&
           piece->size < PyList_Size(self->headers);
}

/* Returns 1; 0: it cannot be had here; -1: an error is set. */
static int get_parts(const Path *self, PyObject *topic, Piece body, Parts *parts) {
    PyObject *id = PyObject_GetAttr(topic, str_id);
    parts->head = id == NULL ? NULL : PyObject_GetAttr(topic, str_head);
    int done = -1;
    if (parts->head != NULL) {
        PyObject *header = PyList_GetItem(self->headers, body.size); /* borrowed */
        parts->id = PyLong_AsUnsignedLongLong(id);
        parts->pieces[2] = body;
        if (!PyErr_Occurred())
            done = piece_of(parts->head, &parts->pieces[0]) && piece_of(header, &parts->pieces[1]);
    }
    Py_XDECREF(id);
    return done;
}

/* Commits a message on a topic. Returns 1, or 0 with nothing changed; -1: an error is set. */
static int commit_on(Path *self, PyObject *topic, Piece body, uint64_t *sequence) {
    Parts parts;
    int done = get_parts(self, topic, body, &parts);
    if (done > 0)
        done = is_free(self) && commit((Log *)self->log, parts.pieces, parts.id, sequence);
    Py_XDECREF(parts.head);
    return done;
}

/* Commits one message and wakes whom it concerns; the usual case of it, and the twin does the rest.
   From `is_free()` to the commit there are loads and stores only, so that nothing comes between. */
static PyObject *path_append(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    Path *self = (Path *)object;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "append() takes a body and a subject");
        return NULL;
    }
    PyObject *body = args[0], *subject = args[1];
    Piece piece;
    if (self->log != NULL && is_usual(self, body, subject, &piece)) {
        PyObject *topic = find_topic(self, subject);
        uint64_t sequence = 0;
        int done = topic == NULL ? (PyErr_Occurred() ? -1 : 0)
                                 : commit_on(self, topic, piece, &sequence);
        if (done > 0 && (load(((Log *)self->log)->sleepers) != 0 || self->ask_each)) {
            PyObject *woken = PyObject_CallMethodObjArgs(object, str_wake, topic, NULL);
            if (woken == NULL) done = -1;
            Py_XDECREF(woken);
        }
        Py_XDECREF(topic);
        if (done != 0) return done < 0 ? NULL : PyLong_FromUnsignedLongLong(sequence);
    }
    return PyObject_CallMethodObjArgs(object, str_append_plainly, body, subject, NULL);
}

/* What `path_encode` makes: in `topics` the topic of each message, in the others its bytes. */
typedef struct {
    PyObject *topics;
    char *data;
    uint64_t *ends, *ids;
    uint64_t size, room; /* bytes of data that are used, and that there are */
} Coded;

/* Copies pieces behind what there is. Returns 1; -1: an error is set. */
static int add_pieces(Coded *coded, const Piece *pieces) {
    uint64_t size = coded->size;
    for (int i = 0; i < 3; i++) size += (uint64_t)pieces[i].size;
    if (size > coded->room) {
        uint64_t room = 2 * coded->room + size - coded->size;
        char *data = PyMem_Realloc(coded->data, room);
        if (data == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        coded->data = data, coded->room = room;
    }
    for (int i = 0; i < 3; coded->size += (uint64_t)pieces[i].size, i++)
        memcpy(coded->data + coded->size, pieces[i].bytes, (size_t)pieces[i].size);
    return 1;
}

/* Adds a message to others. Returns 1; 0: it is not a usual one; -1: an error is set. */
static int encode_one(Path *self, Coded *coded, PyObject *young, PyObject *body, PyObject *subject,
                      Py_ssize_t index) {
    Parts parts;
    Piece piece;
    if (!is_usual(self, body, subject, &piece)) return 0;
    PyObject *topic = PyDict_GetItemWithError(young, subject); /* borrowed */
    if (topic == NULL) return PyErr_Occurred() ? -1 : 0;
    Py_INCREF(topic);
    PyList_SetItem(coded->topics, index, topic); /* the list has it now */
    int done = get_parts(self, topic, piece, &parts);
    if (done > 0) done = add_pieces(coded, parts.pieces);
    if (done > 0) coded->ends[index] = coded->size, coded->ids[index] = parts.id;
    Py_XDECREF(parts.head);
    return done;
}

static int encode_all(Path *self, Coded *coded, PyObject *messages, Py_ssize_t count) {
    PyObject *young = PyObject_GetAttr(self->table, str_young);
    int done = young == NULL ? -1 : 1; /* what is no dict is an error of the first look-up */
    for (Py_ssize_t i = 0; done > 0 && i < count; i++)
        done = encode_one(self, coded, young, PyList_GetItem(messages, 2 * i),
                          PyList_GetItem(messages, 2 * i + 1), i);
    Py_XDECREF(young);
    return done;
}

/* The messages of a batch back to back, with where they end, the ids of their topics, and these;
   None if one of them is not a usual one: the twin encodes them. Twin: `Encoder.many`. */
static PyObject *path_encode(PyObject *object, PyObject *messages) {
    Path *self = (Path *)object;
    Py_ssize_t count = PyList_CheckExact(messages) ? PyList_Size(messages) / 2 : 0;
    if (self->log == NULL || count == 0) Py_RETURN_NONE;
    Coded coded = {PyList_New(count), NULL, NULL, NULL, 0, 0};
    coded.ends = PyMem_Calloc((size_t)count, sizeof(uint64_t));
    coded.ids = PyMem_Calloc((size_t)count, sizeof(uint64_t));
    PyObject *result = NULL;
    int done = -1;
    if (coded.topics != NULL && coded.ends != NULL && coded.ids != NULL)
        done = encode_all(self, &coded, messages, count);
    else if (!PyErr_Occurred())
        PyErr_NoMemory();
    if (done > 0)
        result = Py_BuildValue("y#y#y#O", coded.data, (Py_ssize_t)coded.size, coded.ends,
                               count * WORD, coded.ids, count * WORD, coded.topics);
    PyMem_Free(coded.data), PyMem_Free(coded.ends), PyMem_Free(coded.ids);
    Py_XDECREF(coded.topics);
    if (done == 0) Py_RETURN_NONE;
    return result;
}

static PyMethodDef path_methods[] = {
    {"encode", path_encode, METH_O,
     "encode(messages)\n--\n\nMessages of a batch as they travel; None = by an `Encoder`."},
    {"append", (PyCFunction)(void (*)(void))path_append, METH_FASTCALL,
     "append(body, subject)\n--\n\nSee `SendPath.append`."},
    {"share", (PyCFunction)(void (*)(void))path_share, METH_VARARGS | METH_KEYWORDS,
     "Append with these from now on."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef path_members[] = {
    {"_ask_each", T_BOOL, offsetof(Path, ask_each), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot path_slots[] = {
    {Py_tp_doc, "Appends messages."},
    {Py_tp_traverse, path_traverse},
    {Py_tp_clear, path_clear},
    {Py_tp_dealloc, path_dealloc},
    {Py_tp_methods, path_methods},
    {Py_tp_members, path_members},
    {0, NULL},
};

static PyType_Spec path_spec = {
    "fanout._speed.Path", sizeof(Path), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, path_slots,
};

/* ---- Adding: messages are added to a batch. Twin: `Messages.publish`. ---- */

/* What is not two plain arguments is the twin's. */
static PyObject *add_plainly(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *names) {
    Py_ssize_t named = names == NULL ? 0 : PyTuple_Size(names);
    PyObject *result = NULL, *call = PyObject_GetAttr(self, str_publish_plainly);
    PyObject *positional = PyTuple_New(count), *keywords = named ? PyDict_New() : NULL;
    int failed = call == NULL || positional == NULL || (named && keywords == NULL);
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        Py_INCREF(args[i]);
        failed = PyTuple_SetItem(positional, i, args[i]) < 0;
    }
    for (Py_ssize_t i = 0; !failed && i < named; i++)
        failed = PyDict_SetItem(keywords, PyTuple_GetItem(names, i), args[count + i]) < 0;
    if (!failed) result = PyObject_Call(call, positional, keywords);
    Py_XDECREF(keywords);
    Py_XDECREF(positional);
    Py_XDECREF(call);
    return result;
}

/* Adds both, or neither. Outside of its block a batch has something else in the place of a list. */
static PyObject *adding_publish(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                PyObject *names) {
    if (count != 2 || names != NULL || !PyBytes_CheckExact(args[0]) || !PyBytes_CheckExact(args[1]))
        return add_plainly(self, args, count, names);
    PyObject *messages = PyObject_GetAttr(self, str_messages);
    if (messages == NULL) return NULL;
    if (!PyList_CheckExact(messages)) {
        Py_DECREF(messages);
        return add_plainly(self, args, count, names);
    }
    Py_ssize_t size = PyList_Size(messages);
    int failed = PyList_Append(messages, args[1]) < 0;
    if (!failed && PyList_Append(messages, args[0]) < 0) {
        failed = 1;
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyList_SetSlice(messages, size, size + 1, NULL);
        PyErr_Restore(type, value, traceback);
    }
    Py_DECREF(messages);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef adding_methods[] = {
    {"publish", (PyCFunction)(void (*)(void))adding_publish, METH_FASTCALL | METH_KEYWORDS,
     "publish($self, topic, payload, *, keyframe=False, timeout=None)\n--\n\n"
     "Add a message of two frames; see `Messages.publish`."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot adding_slots[] = {
    {Py_tp_doc, "Messages are added to it."},
    {Py_tp_methods, adding_methods},
    {0, NULL},
};

static PyType_Spec adding_spec = {
    "fanout._speed.Adding", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    adding_slots,
};

/* ---- The module. ---- */

static int intern_names(void) {
    struct {
        PyObject **place;
        const char *text;
    } names[] = {
        {&str_acquire, "acquire"}, {&str_release, "release"}, {&str_is_owned, "_is_owned"},
        {&str_young, "young"},     {&str_head, "head"},       {&str_id, "id"},
        {&str_wake, "_wake_one"},  {&str_append_plainly, "append_plainly"},
        {&str_messages, "_messages"}, {&str_publish_plainly, "publish_plainly"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (*names[i].place == NULL) *names[i].place = PyUnicode_InternFromString(names[i].text);
        if (*names[i].place == NULL) return -1;
    }
    return 0;
}

static int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyObject **kept) {
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL) return -1;
    if (kept != NULL) put(kept, type);
    int failed = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return failed;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "fanout._speed", "The append of one message, compiled.", -1, NULL,
};

PyMODINIT_FUNC PyInit__speed(void) {
    if (intern_names() < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || add_type(module, &lock_spec, "Lock", NULL) < 0 ||
        add_type(module, &log_spec, "Log", &log_type) < 0 ||
        add_type(module, &path_spec, "Path", NULL) < 0 ||
        add_type(module, &adding_spec, "Adding", NULL) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
