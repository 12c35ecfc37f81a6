/* Coded: the messages of a batch, encoded one by one as they are added. Twins: the list of a batch,
   and `Encoder.many`.

   In its memory the bytes of all are one behind another, from its beginning, and so they go to the
   log. What is to be known of each is there from its end on, towards the beginning. */

#pragma once

#include "path.h"

typedef struct {
    PyObject *topic; /* owned; nothing that the garbage collector would have to follow */
    uint64_t size;
} Entry;

typedef struct {
    PyObject_HEAD
    PyObject *path;  /* a Path */
    PyObject *young; /* topics that were looked up are from there */
    char *memory;
    size_t room;             /* of which the end is that of an Entry */
    unsigned long long size; /* bytes of all messages */
    Py_ssize_t count;        /* messages */
} Coded;

HOLDING(Coded, path, 2)

static PyObject *coded_type;

/* Kept for the next batch: what is given back after each is mapped anew, page by page. It belongs to
   whoever has taken it. */
static char *spare_memory; /* NULL = it is taken, or was not needed yet */
static size_t spare_room;

enum { MEMORY_MIN = 8 * 1024, SPARE_MAX = 512 * 1024 }; /* bytes */

static Entry *entry_of(const Coded *self, Py_ssize_t index) {
    return (Entry *)(self->memory + self->room) - 1 - index;
}

static void coded_dealloc(PyObject *object) {
    Coded *self = (Coded *)object;
    PyObject_GC_UnTrack(object);
    for (Py_ssize_t i = 0; i < self->count; i++) Py_DECREF(entry_of(self, i)->topic);
    if (self->room <= SPARE_MAX && self->room > spare_room) {
        char *former = spare_memory;
        spare_memory = self->memory, spare_room = self->room, self->memory = former;
    }
    PyMem_Free(self->memory);
    Coded_clear(object);
    free_object(object);
}

/* Twin: `SendPath.collect`. */
static PyObject *path_collect(PyObject *object, PyObject *unused) {
    PyObject *young = ((Path *)object)->log == NULL ? NULL : young_of((Path *)object);
    if (young == NULL) return PyList_New(0);
    Coded *self = (Coded *)PyType_GenericAlloc((PyTypeObject *)coded_type, 0);
    if (self == NULL) return NULL;
    self->path = Py_NewRef(object), self->young = Py_NewRef(young);
    self->memory = spare_memory, self->room = spare_room;
    spare_memory = NULL, spare_room = 0;
    return (PyObject *)self;
}

/* Makes room for so many bytes in all. Returns 0, or -1 if an error is set. */
static int grow(Coded *self, size_t needed) {
    size_t room = needed > MEMORY_MIN / 2 ? 2 * needed / sizeof(Entry) * sizeof(Entry) : MEMORY_MIN;
    size_t noted = (size_t)self->count * sizeof(Entry);
    char *memory = PyMem_Realloc(self->memory, room);
    if (memory == NULL) return PyErr_NoMemory(), -1;
    memmove(memory + room - noted, memory + self->room - noted, noted);
    self->memory = memory, self->room = room;
    return 0;
}

/* Adds a message, or nothing. Returns 1; 0: all are more than may be, which a list takes until it
   is looked at; -1: an error is set. Twin: `_messages += body, subject`. */
static int add_message(Coded *self, const Message *message) {
    size_t size = self->size + message->size;
    size_t needed = size + (size_t)(self->count + 1) * sizeof(Entry);
    const Path *path = (const Path *)self->path;
    if (size > path->batch_bytes || self->count >= path->batch_count) return 0;
    if (needed > self->room && grow(self, needed) < 0) return -1;
    char *place = self->memory + self->size;
    for (int i = 0; i < message->count; place += message->pieces[i++].size)
        memcpy(place, message->pieces[i].bytes, message->pieces[i].size);
    *entry_of(self, self->count) = (Entry){Py_NewRef(message->topic), message->size};
    self->size = size, self->count++;
    return 1;
}

/* Of each message its bytes or, without a name of these, its topic. */
static PyObject *coded_list(PyObject *object, void *bytes) {
    Coded *self = (Coded *)object;
    Py_ssize_t count = self->count; /* Python may run as the list is made, and add to it */
    PyObject *list = PyList_New(count);
    const char *place = self->memory;
    for (Py_ssize_t i = 0; list != NULL && i < count; place += entry_of(self, i++)->size) {
        const Entry *entry = entry_of(self, i);
        PyObject *one = bytes == NULL ? Py_NewRef(entry->topic)
                                      : PyBytes_FromStringAndSize(place, (Py_ssize_t)entry->size);
        PyList_SetItem(list, i, one); /* the list has it now */
        if (one == NULL) Py_CLEAR(list);
    }
    return list;
}

/* Twin: `list.__len__`: body and subject of each. */
static Py_ssize_t coded_length(PyObject *object) { return 2 * ((Coded *)object)->count; }

/* Twin: `list.__iadd__`. What is not usual makes a list of it, which the batch has from then on. */
static PyObject *coded_extend(PyObject *object, PyObject *pair) {
    Coded *self = (Coded *)object;
    Message message;
    PyObject *body, *subject;
    if (!PyTuple_Check(pair) || !PyArg_ParseTuple(pair, "OO", &body, &subject))
        return mistake("a body and a subject are added");
    int done = encode((Path *)self->path, subject, &body, 1, &message);
    if (done > 0) done = add_message(self, &message);
    if (done == 0) return PyObject_CallMethod(self->path, "_extended", "(OO)", object, pair);
    return done < 0 ? NULL : Py_NewRef(object);
}

/* Commits messages, all or none, with the ids that their topics have now. Returns as `commit`.
   Twin: `LogWriter._append_many`. */
static int commit_all(const Log *log, const Coded *coded, uint64_t *first) {
    uint64_t end, id = 0;
    const PyObject *last = NULL; /* of messages in a row, many are on one topic */
    if (!begin(log, coded->size, (uint64_t)coded->count, first, &end)) return 0;
    write_bytes(log, end % log->size, coded->memory, coded->size);
    for (Py_ssize_t i = 0; i < coded->count; i++) {
        const Entry *entry = entry_of(coded, i);
        end += entry->size;
        if (entry->topic != last) id = get_id(entry->topic), last = entry->topic;
        write_entry(log, *first + (uint64_t)i, end, id);
    }
    store_head(log, *first + (uint64_t)coded->count);
    return 1;
}

/* The caller holds the send lock, and has seen that the flag is down; -1: there is no room. */
static PyObject *log_append_coded(PyObject *object, PyObject *given) {
    uint64_t first = 0;
    if (!is_of(given, coded_type) || ((Log *)object)->size == 0)
        return mistake("append_coded() takes what collect() returns");
    if (!commit_all((Log *)object, (Coded *)given, &first)) return PyLong_FromLong(-1);
    return PyLong_FromUnsignedLongLong(first);
}

/* As `path_append`, for a batch. Twin: `CompiledPath.append_coded_plainly`. */
static PyObject *coded_append(PyObject *object, PyObject *unused) {
    Path *path = (Path *)((Coded *)object)->path;
    uint64_t first = 0;
    int done = path->log != NULL && is_free(path);
    if (done > 0) done = commit_all((Log *)path->log, (Coded *)object, &first);
    if (done > 0) done = wake(path, object);
    if (done == 0)
        return PyObject_CallMethod((PyObject *)path, "append_coded_plainly", "(O)", object);
    return done < 0 ? NULL : PyLong_FromUnsignedLongLong(first);
}

static PyMethodDef coded_methods[] = {
    {"append", coded_append, METH_NOARGS, "See `Attempt.append`."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef coded_members[] = {
    {"size", T_ULONGLONG, offsetof(Coded, size), READONLY, NULL},
    {"count", T_PYSSIZET, offsetof(Coded, count), READONLY, NULL},
    {"young", T_OBJECT, offsetof(Coded, young), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef coded_getset[] = {
    {"bodies", coded_list, NULL, NULL, "bodies"},
    {"topics", coded_list, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

HOLDER(Coded, Py_TPFLAGS_DISALLOW_INSTANTIATION, {Py_tp_dealloc, coded_dealloc},
       {Py_tp_methods, coded_methods}, {Py_tp_members, coded_members},
       {Py_tp_getset, coded_getset},
       {Py_sq_length, coded_length}, {Py_sq_inplace_concat, coded_extend});
