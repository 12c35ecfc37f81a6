/* The usual sends, compiled: what `SendPath.append` does, as one step.

   The Python code is the reference, and is complete without this. Each function here names its twin;
   nothing is decided here that is not decided there. What is not the usual case (a topic that is not
   known, no room, a flag that is up, a gate that is shut, a lock that is held) is left to the twin.

   Threads. The interpreter lock is held from the first line of a call to its last, and no Python
   code runs in between. So the send lock need not be taken: it is enough that nobody holds it, which
   `held` says (see `Lock`). A signal handler does not run in the middle either: what the twin does
   in steps that may be interrupted is one step here.

   Shared memory. All words are native, aligned and stored whole. The order of stores is that of
   `LogWriter.append`: poison, bytes, index, HEAD; then the look at who sleeps, behind a barrier. */

#include "_speed.h"

#define WORD ((Py_ssize_t)sizeof(uint64_t))
#define NUMBER 16                     /* bytes of `numbered_log.NUMBER` */
#define PLACE_MASK ((1ull << 21) - 1) /* `value_layout.PLACE_BITS` */

static PyObject *str_acquire, *str_release, *str_is_owned, *str_young, *str_head, *str_id;
static PyObject *str_append_plainly, *str_wake, *str_more, *str_coded_plainly, *str_wake_all;

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

/* Frees an object of a type of this module. */
void free_object(PyObject *self) {
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

/* Made whole or not at all. */
static PyObject *lock_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *inner, *held;
    unsigned long long number;
    static char *names[] = {"inner", "held", "number", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOK", names, &inner, &held, &number))
        return NULL;
    Py_buffer buffer;
    if (get_words(held, &buffer, 1, "held") < 0) return NULL;
    Lock *self = (Lock *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        PyBuffer_Release(&buffer);
        return NULL;
    }
    put(&self->inner, inner);
    self->held = buffer, self->number = number;
    return (PyObject *)self;
}

static void lock_dealloc(PyObject *object) {
    Lock *self = (Lock *)object;
    Py_CLEAR(self->inner);
    PyBuffer_Release(&self->held);
    free_object(object);
}

static PyObject *lock_acquire(PyObject *object, PyObject *args, PyObject *keywords) {
    Lock *self = (Lock *)object;
    PyObject *acquire = PyObject_GetAttr(self->inner, str_acquire);
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
    uint64_t *held = self->held.buf;
    uint64_t before = *held;
    if (before == self->number) *held = 0;
    PyObject *result = PyObject_CallMethodObjArgs(self->inner, str_release, NULL);
    if (result == NULL) *held = before;
    return result;
}

static PyObject *lock_is_owned(PyObject *object, PyObject *unused) {
    return PyObject_CallMethodObjArgs(((Lock *)object)->inner, str_is_owned, NULL);
}

static PyObject *lock_repr(PyObject *object) { return PyObject_Repr(((Lock *)object)->inner); }

static PyMethodDef lock_methods[] = {
    {"acquire", CALL(lock_acquire), METH_VARARGS | METH_KEYWORDS, NULL},
    {"release", lock_release, METH_NOARGS, NULL},
    {"_is_owned", lock_is_owned, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lock_slots[] = {
    {Py_tp_new, lock_new},   {Py_tp_dealloc, lock_dealloc},
    {Py_tp_repr, lock_repr}, {Py_tp_methods, lock_methods},
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
    uint64_t *last, places; /* in the segment: the last message of each place; 0 = none are kept */
    unsigned long long position_limit, sequence_limit;
    unsigned long long epoch; /* which each message ends in, with its number; 0 = none does */
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

/* Twin: `ValuedLog.append` writes to what `ValueKeeper.last` is. */
static PyObject *log_keep(PyObject *object, PyObject *args) {
    Log *self = (Log *)object;
    unsigned long long first, places;
    if (!PyArg_ParseTuple(args, "KK", &first, &places)) return NULL;
    uint64_t all = self->segment.obj == NULL ? 0 : (uint64_t)(self->segment.len / WORD);
    if (first >= all || places == 0 || places > all - first) {
        PyErr_SetString(PyExc_ValueError, "last values lie outside of the segment");
        return NULL;
    }
    self->last = (uint64_t *)self->segment.buf + first, self->places = places;
    Py_RETURN_NONE;
}

static void log_dealloc(PyObject *object) {
    Log *self = (Log *)object;
    if (self->segment.obj != NULL) PyBuffer_Release(&self->segment);
    free_object(object);
}

typedef struct {
    const char *bytes;
    Py_ssize_t size;
} Piece;

enum { PIECES = 4 }; /* of a message: the frame of its topic, a header, a body, room for a number */

static uint64_t size_of(const Piece *pieces) {
    uint64_t size = 0;
    for (int i = 0; i < PIECES; i++) size += (uint64_t)pieces[i].size;
    return size;
}

/* Copies bytes to an offset of the log, around its end; returns the offset behind them.
   Twin: `LogWriter._write`. */
static uint64_t write_bytes(const Log *log, uint64_t offset, const void *bytes, uint64_t size) {
    uint64_t room = log->size - offset, first = size < room ? size : room;
    memcpy(log->data + offset, bytes, first);
    if (first == size) return offset + size;
    memcpy(log->data, (const char *)bytes + first, size - first);
    return size - first;
}

/* Writes a message, and where it ends, to the place of this number; returns its end.
   Twins: `LogWriter.append` between flag and HEAD, `NumberedLog._numbered`, `ValuedLog.append`. */
static uint64_t write_message(const Log *log, uint64_t sequence, uint64_t position,
                              const Piece *pieces, uint64_t topic_id) {
    uint64_t offset = position % log->size, end = position + size_of(pieces);
    for (int i = 0; i < PIECES; i++)
        if (pieces[i].size != 0)
            offset = write_bytes(log, offset, pieces[i].bytes, (uint64_t)pieces[i].size);
    if (log->epoch != 0) {
        unsigned char number[NUMBER];
        for (int i = 0; i < 8; i++) {
            number[7 - i] = (unsigned char)(log->epoch >> 8 * i);
            number[15 - i] = (unsigned char)(sequence >> 8 * i);
        }
        write_bytes(log, (end - NUMBER) % log->size, number, NUMBER);
    }
    __atomic_store_n(log->ends + (sequence & log->mask), end, __ATOMIC_RELAXED);
    __atomic_store_n(log->topics + (sequence & log->mask), topic_id, __ATOMIC_RELAXED);
    if (log->last != NULL && (topic_id & PLACE_MASK) < log->places)
        __atomic_store_n(log->last + (topic_id & PLACE_MASK), sequence, __ATOMIC_RELAXED);
    return end;
}

/* Whether so many bytes and messages fit. Twin: `LogWriter.append`, at its beginning. */
static int has_room(const Log *log, uint64_t head, uint64_t position, uint64_t size,
                    uint64_t count) {
    return size <= log->size && position + size <= log->position_limit &&
           head + count <= log->sequence_limit && (log->epoch == 0 || size >= count * NUMBER);
}

static void raise_flag(const Log *log, uint64_t head) {
    __atomic_store_n(log->poison, head, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the flag is seen up before any byte */
}

/* Everything before it is seen before it, and it before the look at who sleeps. */
static void store_head(const Log *log, uint64_t head) {
    __atomic_store_n(log->head, head, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Commits one message. Twin: `LogWriter.append`.
   Returns 1; or 0 with nothing changed: there is no room, or the poison flag is up. */
static int commit(const Log *log, const Piece *pieces, uint64_t topic_id, uint64_t *sequence) {
    uint64_t head = *log->head;
    if (*log->poison != head) return 0;
    uint64_t position = log->ends[(head - 1) & log->mask];
    if (!has_room(log, head, position, size_of(pieces), 1)) return 0;
    raise_flag(log, head + 1);
    write_message(log, head, position, pieces, topic_id);
    store_head(log, head + 1);
    *sequence = head;
    return 1;
}

/* ---- Attributes in `__slots__`, found by their place: a look-up of the name takes longer. ---- */

/* Where objects of a type, or of what is derived from it, have this attribute; 0 = not known. */
Py_ssize_t place_of(PyObject *type, const char *name) {
    for (; type != NULL; type = PyType_GetSlot((PyTypeObject *)type, Py_tp_base)) {
        const PyMemberDef *one = PyType_GetSlot((PyTypeObject *)type, Py_tp_members);
        for (; one != NULL && one->name != NULL; one++)
            if (one->type == T_OBJECT_EX && strcmp(one->name, name) == 0) return one->offset;
    }
    return 0;
}

/* The attribute at this place, which is one for objects of its type; a new reference. */
PyObject *get_at(PyObject *object, Py_ssize_t place, PyObject *name) {
    PyObject *value = place > 0 ? *(PyObject **)((char *)object + place) : NULL;
    return value != NULL ? Py_NewRef(value) : PyObject_GetAttr(object, name);
}

/* The types of topics whose id is stored, not asked for: usual ones, and those that have a place
   among last values, once somebody has such; NULL = nobody has. */
static PyObject *plain, *placed;
static Py_ssize_t head_place, id_place; /* in such an object */

static void note_plain(PyObject *type, PyObject *derived) {
    put(&plain, type);
    if (derived != type && PyType_IsSubtype((PyTypeObject *)derived, (PyTypeObject *)type))
        put(&placed, derived); /* for good: others of this process may have none */
    head_place = place_of(type, "head"), id_place = place_of(type, "id");
}

static int is_plain(PyObject *topic) {
    PyObject *type = (PyObject *)Py_TYPE(topic);
    return type == plain || type == placed;
}

/* An attribute of a topic; a new reference. */
static PyObject *get_of(PyObject *topic, Py_ssize_t place, PyObject *name) {
    return get_at(topic, is_plain(topic) ? place : 0, name);
}

/* ---- Coded: a batch that is looked up; its bytes are still those of the user's objects. ---- */

/* What a message is made of, and the objects that have its bytes. */
typedef struct {
    PyObject *topic, *head, *header, *body;
    uint64_t id; /* of its topic */
    Piece pieces[PIECES];
} Parts;

static void drop(Parts *parts) {
    Py_CLEAR(parts->topic);
    Py_CLEAR(parts->head);
    Py_CLEAR(parts->header);
    Py_CLEAR(parts->body);
    memset(parts->pieces, 0, sizeof parts->pieces);
}

/* Parts of as many messages as a usual batch has; kept, since memory that is given back after each
   batch is mapped anew for the next one, page by page. They belong to whoever has taken them. */
static Parts *spare; /* all empty; NULL = they are taken, or were not needed yet */

enum { SPARE = 4096 }; /* messages: 416 KiB, of which as many are used as a batch has had */

static Parts *take_parts(Py_ssize_t count) {
    Parts *parts = spare;
    if (count > SPARE) return PyMem_Calloc((size_t)count, sizeof(Parts));
    spare = NULL;
    return parts != NULL ? parts : PyMem_Calloc(SPARE, sizeof(Parts));
}

static void give_back(Parts *parts, Py_ssize_t count) {
    if (count > SPARE || spare != NULL) PyMem_Free(parts);
    else spare = parts;
}

typedef struct {
    PyObject_HEAD
    Py_ssize_t count, room;  /* messages it has, and may have */
    unsigned long long size; /* bytes, of all messages */
    Parts *all;
    PyObject *end; /* has the last piece of each */
} Coded;

static PyObject *coded_type;

static void coded_dealloc(PyObject *object) {
    Coded *self = (Coded *)object;
    for (Py_ssize_t i = 0; i < self->count; i++) drop(&self->all[i]);
    if (self->all != NULL) give_back(self->all, self->room);
    Py_CLEAR(self->end);
    free_object(object);
}

/* Over the topics of its messages. */
static PyObject *coded_iter(PyObject *object) {
    Coded *self = (Coded *)object;
    PyObject *topics = PyList_New(self->count), *result;
    if (topics == NULL) return NULL;
    for (Py_ssize_t i = 0; i < self->count; i++)
        PyList_SetItem(topics, i, Py_NewRef(self->all[i].topic)); /* the list has it now */
    result = PyObject_GetIter(topics);
    Py_DECREF(topics);
    return result;
}

static PyMemberDef coded_members[] = {
    {"size", T_ULONGLONG, offsetof(Coded, size), READONLY, NULL},
    {"count", T_PYSSIZET, offsetof(Coded, count), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot coded_slots[] = {
    {Py_tp_dealloc, coded_dealloc}, {Py_tp_iter, coded_iter}, {Py_tp_members, coded_members},
    {0, NULL},
};

static PyType_Spec coded_spec = {
    "fanout._speed.Coded", sizeof(Coded), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, coded_slots,
};

/* Asks a topic for its id, which is for the time of the commit; returns -1 if an error is set. */
static int get_id(PyObject *topic, uint64_t *id) {
    PyObject *number = get_of(topic, id_place, str_id);
    if (number == NULL) return -1;
    *id = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    return *id == (uint64_t)-1 && PyErr_Occurred() ? -1 : 0;
}

/* Commits messages, all or none. Twin: `LogWriter._append_many`. The flag is down.
   Returns 1; 0: there is no room; -1: an error is set. */
static int commit_coded(const Log *log, const Coded *coded, uint64_t *first) {
    uint64_t head = *log->head, count = (uint64_t)coded->count;
    uint64_t position = log->ends[(head - 1) & log->mask];
    if (!has_room(log, head, position, coded->size, count)) return 0;
    for (Parts *parts = coded->all; parts < coded->all + count; parts++)
        if (get_id(parts->topic, &parts->id) < 0) return -1;
    *first = head;
    raise_flag(log, head + count);
    for (Parts *parts = coded->all; parts < coded->all + count; parts++)
        position = write_message(log, head++, position, parts->pieces, parts->id);
    store_head(log, head);
    return 1;
}

/* The caller holds the send lock, and has seen that the flag is down; -1: there is no room. */
static PyObject *log_append_coded(PyObject *object, PyObject *given) {
    Log *log = (Log *)object;
    uint64_t first = 0;
    if (!PyObject_TypeCheck(given, (PyTypeObject *)coded_type) || log->segment.obj == NULL) {
        PyErr_SetString(PyExc_TypeError, "append_coded() takes what encode() returns");
        return NULL;
    }
    int done = commit_coded(log, (const Coded *)given, &first);
    if (done <= 0) return done < 0 ? NULL : PyLong_FromLong(-1);
    return PyLong_FromUnsignedLongLong(first);
}

static PyMethodDef log_methods[] = {
    {"append_coded", log_append_coded, METH_O,
     "append_coded(coded)\n--\n\nSee `LogWriter.append_batch`."},
    {"keep", log_keep, METH_VARARGS, "Note the last message of each place from now on."},
    {"share", CALL(log_share_method), METH_VARARGS | METH_KEYWORDS, "Use this memory."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef log_members[] = {
    {"_position_limit", T_ULONGLONG, offsetof(Log, position_limit), 0, NULL},
    {"_sequence_limit", T_ULONGLONG, offsetof(Log, sequence_limit), 0, NULL},
    {"_epoch", T_ULONGLONG, offsetof(Log, epoch), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot log_slots[] = {
    {Py_tp_dealloc, log_dealloc}, {Py_tp_methods, log_methods}, {Py_tp_members, log_members},
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
    Py_ssize_t young;  /* the place of its younger generation */
    PyObject *headers; /* of a body, by its size */
    PyObject *end;     /* bytes behind each body: none, or room for a number */
    Py_buffer gate, held;
    uint64_t open; /* what the gate says when it is open */
    char ask_each; /* there are more workers than the word of the sleepers has bytes */
} Path;

static PyObject *log_type;
PyObject *path_type;

static PyObject *path_share(PyObject *object, PyObject *args, PyObject *keywords) {
    Path *self = (Path *)object;
    PyObject *log, *table, *headers, *end, *whole, *gate, *held, *derived;
    unsigned long long open;
    Py_buffer gate_buffer, held_buffer;
    static char *names[] = {"log",  "table", "headers", "end",    "whole",
                            "gate", "held",  "open",    "placed", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "$OOOSO!OOKO!", names, &log, &table, &headers,
                                     &end, &PyType_Type, &whole, &gate, &held, &open, &PyType_Type,
                                     &derived))
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
    put(&self->end, end);
    self->young = place_of((PyObject *)Py_TYPE(table), "young");
    note_plain(whole, derived);
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
    Py_CLEAR(self->end);
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

/* Whether anybody may append now, and need not wait for whoever does. */
static int is_free(const Path *self) {
    return *(uint64_t *)self->held.buf == 0 && load(self->gate.buf) == self->open;
}

/* A piece of these bytes; returns whether it is such an object. */
static int piece_of(PyObject *bytes, Piece *piece) {
    if (bytes == NULL || !PyBytes_Check(bytes)) return 0;
    piece->bytes = PyBytes_AsString(bytes), piece->size = PyBytes_Size(bytes);
    return 1;
}

/* Puts together a message of this body, which may be all of it. `parts` is empty; the caller drops
   it, whatever is returned: 1; 0: it cannot be had here; -1: an error is set. */
static int get_parts(const Path *self, PyObject *topic, PyObject *body, int is_whole,
                     Parts *parts) {
    Piece *pieces = parts->pieces;
    if (!piece_of(body, &pieces[2])) return 0;
    if (!is_whole && pieces[2].size >= PyList_Size(self->headers)) return 0;
    put(&parts->topic, topic), put(&parts->body, body);
    if (is_whole) return 1;
    parts->head = get_of(topic, head_place, str_head);
    if (parts->head == NULL) return -1;
    put(&parts->header, PyList_GetItem(self->headers, pieces[2].size));
    return piece_of(parts->head, &pieces[0]) && piece_of(parts->header, &pieces[1]) &&
           piece_of(self->end, &pieces[3]);
}

/* Commits one message and wakes whom it concerns; the usual case of it, and the twin does the rest.
   From `is_free()` to the commit there are loads and stores only, so that nothing comes between.
   Returns 1; 0 with nothing changed: it is the twin's; -1: an error is set. */
int append_usual(PyObject *object, PyObject *body, PyObject *subject, uint64_t *sequence) {
    Path *self = (Path *)object;
    Parts parts;
    memset(&parts, 0, sizeof parts);
    int done = 0;
    if (self->log == NULL) return 0;
    if (subject == Py_None || PyBytes_CheckExact(subject)) {
        PyObject *young = get_at(self->table, self->young, str_young);
        PyObject *topic = young == NULL ? NULL : PyDict_GetItemWithError(young, subject);
        if (topic != NULL) done = get_parts(self, topic, body, 0, &parts);
        else if (PyErr_Occurred()) done = -1;
        Py_XDECREF(young);
    } else if (is_plain(subject)) {
        done = get_parts(self, subject, body, 1, &parts);
    }
    const Log *log = (const Log *)self->log;
    if (done > 0 && get_id(parts.topic, &parts.id) < 0) done = -1;
    if (done > 0) done = is_free(self) && commit(log, parts.pieces, parts.id, sequence);
    if (done > 0 && (load(log->sleepers) != 0 || self->ask_each)) {
        PyObject *woken = PyObject_CallMethodObjArgs(object, str_wake, parts.topic, NULL);
        if (woken == NULL) done = -1;
        Py_XDECREF(woken);
    }
    drop(&parts);
    return done;
}

static PyObject *path_append(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    uint64_t sequence = 0;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "append() takes a body and a subject");
        return NULL;
    }
    int done = append_usual(object, args[0], args[1], &sequence);
    if (done != 0) return done < 0 ? NULL : PyLong_FromUnsignedLongLong(sequence);
    return PyObject_CallMethodObjArgs(object, str_append_plainly, args[0], args[1], NULL);
}

/* Adds a message to others. Returns 1; 0: it is not a usual one; -1: an error is set. */
static int encode_one(const Path *self, Coded *coded, PyObject *young, PyObject *body,
                      PyObject *subject) {
    int is_whole = is_plain(subject);
    if (!is_whole && subject != Py_None && !PyBytes_CheckExact(subject)) return 0;
    PyObject *topic = is_whole ? subject : PyDict_GetItemWithError(young, subject); /* borrowed */
    if (topic == NULL) return PyErr_Occurred() ? -1 : 0;
    Parts *parts = &coded->all[coded->count++];
    int done = get_parts(self, topic, body, is_whole, parts);
    coded->size += size_of(parts->pieces);
    return done;
}

/* The messages of a batch, looked up; None if one of them is not usual. Twin: `Encoder.many`. */
static PyObject *path_encode(PyObject *object, PyObject *messages) {
    Path *self = (Path *)object;
    Py_ssize_t count = PyList_CheckExact(messages) ? PyList_Size(messages) / 2 : 0;
    if (self->log == NULL || count == 0) Py_RETURN_NONE;
    PyObject *young = get_at(self->table, self->young, str_young);
    if (young == NULL) return NULL;
    Coded *coded = (Coded *)PyType_GenericAlloc((PyTypeObject *)coded_type, 0);
    int done = coded == NULL ? -1 : 1;
    if (done > 0) coded->room = count, coded->all = take_parts(count), put(&coded->end, self->end);
    if (done > 0 && coded->all == NULL) PyErr_NoMemory(), done = -1;
    for (Py_ssize_t i = 0; done > 0 && i < count; i++)
        done = encode_one(self, coded, young, PyList_GetItem(messages, 2 * i),
                          PyList_GetItem(messages, 2 * i + 1));
    Py_DECREF(young);
    if (done > 0) return (PyObject *)coded;
    Py_XDECREF((PyObject *)coded);
    if (done == 0) Py_RETURN_NONE;
    return NULL;
}

/* How many bytes these frames behind that of the topic have as they travel; 0: they are not usual. */
static Py_ssize_t size_of_frames(const Path *self, const Frames *frames, PyObject *more) {
    Py_ssize_t size = 0, limit = PyList_Size(self->headers);
    for (Py_ssize_t i = 1; i < frames->count; i++) {
        PyObject *frame = frames->item(frames->all, i);
        if (!PyBytes_CheckExact(frame) || PyBytes_Size(frame) >= limit) return 0;
        PyObject *headers = i + 1 < frames->count ? more : self->headers;
        size += PyBytes_Size(frame) + PyBytes_Size(PyList_GetItem(headers, PyBytes_Size(frame)));
        if (size >= limit) return 0;
    }
    return size;
}

static char *add_bytes(char *place, PyObject *bytes) {
    Py_ssize_t size = PyBytes_Size(bytes);
    memcpy(place, PyBytes_AsString(bytes), (size_t)size);
    return place + size;
}

/* Bytes of frames that `size_of_frames` has looked at, behind those of the topic. */
static PyObject *join(const Path *self, const Frames *frames, PyObject *more, PyObject *head) {
    Py_ssize_t size = size_of_frames(self, frames, more);
    if (size == 0) return NULL;
    size += PyBytes_Size(head) + PyBytes_Size(self->end);
    PyObject *wire = PyBytes_FromStringAndSize(NULL, size);
    if (wire == NULL) return NULL;
    char *place = add_bytes(PyBytes_AsString(wire), head);
    for (Py_ssize_t i = 1; i < frames->count; i++) {
        PyObject *frame = frames->item(frames->all, i);
        PyObject *headers = i + 1 < frames->count ? more : self->headers;
        place = add_bytes(place, PyList_GetItem(headers, PyBytes_Size(frame)));
        place = add_bytes(place, frame);
    }
    add_bytes(place, self->end);
    return wire;
}

/* A message of three frames and more as it travels, and its topic; both are new references.
   NULL without an error: it is not a usual one. Twin: `Encoder.frames`. */
PyObject *join_frames(PyObject *object, PyObject *given, PyObject **topic) {
    Path *self = (Path *)object;
    if (self->log == NULL) return NULL;
    PyObject *more = PyObject_GetAttr(object, str_more); /* before any look at the frames */
    PyObject *young = more == NULL ? NULL : get_at(self->table, self->young, str_young);
    PyObject *known = NULL, *head = NULL, *wire = NULL;
    Frames frames = frames_of(given);
    if (young != NULL && frames.count > 2 && PyBytes_CheckExact(frames.item(given, 0)) &&
        PyList_Check(more) && PyList_Size(more) >= PyList_Size(self->headers))
        known = PyDict_GetItemWithError(young, frames.item(given, 0)); /* borrowed */
    if (known != NULL && is_plain(known))
        head = get_of(known, head_place, str_head);
    if (head != NULL && PyBytes_Check(head)) wire = join(self, &frames, more, head);
    if (wire != NULL) *topic = Py_NewRef(known);
    Py_XDECREF(head);
    Py_XDECREF(young);
    Py_XDECREF(more);
    return wire;
}

/* As `path_append`, for a batch. Twin: `CompiledPath.append_coded_plainly`. */
static PyObject *path_append_coded(PyObject *object, PyObject *given) {
    Path *self = (Path *)object;
    const Log *log = (const Log *)self->log;
    uint64_t first = 0;
    if (log == NULL || !PyObject_TypeCheck(given, (PyTypeObject *)coded_type) || !is_free(self) ||
        *log->poison != *log->head)
        return PyObject_CallMethodObjArgs(object, str_coded_plainly, given, NULL);
    int done = commit_coded(log, (const Coded *)given, &first);
    if (done <= 0) return done < 0 ? NULL : PyLong_FromLong(-1);
    if (load(log->sleepers) != 0 || self->ask_each) {
        PyObject *woken = PyObject_CallMethodObjArgs(object, str_wake_all, given, NULL);
        if (woken == NULL) return NULL;
        Py_DECREF(woken);
    }
    return PyLong_FromUnsignedLongLong(first);
}

static PyMethodDef path_methods[] = {
    {"append_coded", path_append_coded, METH_O,
     "append_coded(coded)\n--\n\nSee `SendPath.append_coded`."},
    {"encode", path_encode, METH_O,
     "encode(messages)\n--\n\nMessages of a batch as they travel; None = by an `Encoder`."},
    {"append", CALL(path_append), METH_FASTCALL,
     "append(body, subject)\n--\n\nSee `SendPath.append`."},
    {"share", CALL(path_share), METH_VARARGS | METH_KEYWORDS, "Append with these from now on."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef path_members[] = {
    {"_ask_each", T_BOOL, offsetof(Path, ask_each), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot path_slots[] = {
    {Py_tp_traverse, path_traverse}, {Py_tp_clear, path_clear},     {Py_tp_dealloc, path_dealloc},
    {Py_tp_methods, path_methods},   {Py_tp_members, path_members}, {0, NULL},
};

static PyType_Spec path_spec = {
    "fanout._speed.Path", sizeof(Path), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, path_slots,
};

/* ---- What the module has of it. ---- */

static const Name names[] = {
    {&str_acquire, "acquire"}, {&str_release, "release"}, {&str_is_owned, "_is_owned"},
    {&str_young, "young"}, {&str_head, "head"}, {&str_id, "id"}, {&str_wake, "_wake_one"},
    {&str_append_plainly, "append_plainly"}, {&str_more, "_more_headers"},
    {&str_coded_plainly, "append_coded_plainly"}, {&str_wake_all, "_wake_all"},
};

int intern_names(const Name *all, size_t count) {
    for (const Name *name = all; name < all + count; name++) {
        if (*name->place == NULL) *name->place = PyUnicode_InternFromString(name->text);
        if (*name->place == NULL) return -1;
    }
    return 0;
}

int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyObject **kept) {
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL) return -1;
    if (kept != NULL) put(kept, type);
    int failed = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return failed;
}

int add_paths(PyObject *module) {
    if (intern_names(names, COUNT_OF(names)) < 0) return -1;
    if (add_type(module, &lock_spec, "Lock", NULL) < 0) return -1;
    if (add_type(module, &log_spec, "Log", &log_type) < 0) return -1;
    if (add_type(module, &coded_spec, "Coded", &coded_type) < 0) return -1;
    return add_type(module, &path_spec, "Path", &path_type);
}
