/* Coded: the messages of a batch, encoded one by one as they are added. Twins: the list of a batch,
   and `Encoder.many`.

   In its memory are, for each, its topic's id, its size and its bytes. */

#pragma once

#include "path.h"

typedef struct {
    PyObject_HEAD
    PyObject *path;  /* a Path */
    PyObject *young; /* topics that were looked up are from there */
    PyObject *topics;
    char *memory;
    size_t used, room;
    unsigned long long size; /* bytes of all messages */
    Py_ssize_t count;        /* messages */
} Coded;

HOLDING(Coded, path, 3)

typedef uint64_t Entry[2]; /* id of its topic, and size, of a message */

static PyObject *coded_type;

/* Kept for the next batch: what is given back after each is mapped anew, page by page. It belongs to
   whoever has taken it. */
static char *spare_memory; /* NULL = it is taken, or was not needed yet */
static size_t spare_room;

enum { MEMORY_MIN = 8 * 1024, SPARE_MAX = 512 * 1024 }; /* bytes */

static void coded_dealloc(PyObject *object) {
    Coded *self = (Coded *)object;
    PyObject_GC_UnTrack(object);
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
    self->topics = PyList_New(0);
    self->memory = spare_memory, self->room = spare_room;
    spare_memory = NULL, spare_room = 0;
    if (self->topics != NULL) return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

/* Adds a message, or nothing. Returns 1, or -1 if an error is set. Twin: `_messages += body, subject`. */
static int add_message(Coded *self, const Message *message) {
    size_t needed = self->used + sizeof(Entry) + message->size;
    if (needed > self->room) {
        size_t room = needed > MEMORY_MIN / 2 ? 2 * needed : MEMORY_MIN;
        char *memory = PyMem_Realloc(self->memory, room);
        if (memory == NULL) return PyErr_NoMemory(), -1;
        self->memory = memory, self->room = room;
    }
    if (PyList_Append(self->topics, message->topic) < 0) return -1;
    char *place = self->memory + self->used + sizeof(Entry);
    memcpy(place - sizeof(uint64_t), &message->size, sizeof(uint64_t));
    for (int i = 0; i < message->count; place += message->pieces[i++].size)
        memcpy(place, message->pieces[i].bytes, message->pieces[i].size);
    self->used = needed, self->size += message->size, self->count++;
    return 1;
}

/* The message that begins there, but for its topic; returns where the next one does. */
static char *get_message(char *place, Message *message) {
    Entry entry;
    memcpy(entry, place, sizeof entry);
    message->id = entry[0], message->size = 0, message->count = 0;
    add_piece(message, place + sizeof entry, entry[1]);
    return place + sizeof entry + entry[1];
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
    if (done != 0) return done < 0 ? NULL : Py_NewRef(object);
    PyObject *list = PyList_New(coded_length(object));
    char *place = self->memory;
    for (Py_ssize_t i = 0; list != NULL && i < self->count; i++) {
        place = get_message(place, &message);
        body = PyBytes_FromStringAndSize(message.pieces[0].bytes, (Py_ssize_t)message.size);
        PyList_SetItem(list, 2 * i, body); /* the list has it now, and what follows */
        PyList_SetItem(list, 2 * i + 1, Py_XNewRef(PyList_GetItem(self->topics, i)));
        if (body == NULL) Py_CLEAR(list);
    }
    PyObject *whole = list == NULL ? NULL : PySequence_InPlaceConcat(list, pair);
    Py_XDECREF(list);
    return whole;
}

/* Notes the ids that topics have now. Returns -1 if an error is set. */
static int note_ids(Coded *self) {
    char *place = self->memory;
    Message message;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        PyObject *topic = i < Py_SIZE(self->topics) ? PyList_GetItem(self->topics, i) : NULL;
        if (!get_id(topic, &message.id)) return mistake("a message has no usual topic"), -1;
        memcpy(place, &message.id, sizeof message.id);
        place = get_message(place, &message);
    }
    return 0;
}

/* Commits messages, all or none. Twin: `LogWriter._append_many`. Returns as `commit`, or -1. */
static int commit_all(const Log *log, Coded *coded, uint64_t *first) {
    uint64_t head, position;
    if (note_ids(coded) < 0) return -1;
    if (!begin(log, coded->size, (uint64_t)coded->count, first, &position)) return 0;
    char *place = coded->memory;
    Message message;
    for (head = *first; head < *first + (uint64_t)coded->count; head++) {
        place = get_message(place, &message);
        position = write_message(log, head, position, &message);
    }
    store_head(log, head);
    return 1;
}

/* The caller holds the send lock, and has seen that the flag is down; -1: there is no room. */
static PyObject *log_append_coded(PyObject *object, PyObject *given) {
    uint64_t first = 0;
    if (!is_of(given, coded_type) || ((Log *)object)->size == 0)
        return mistake("append_coded() takes what collect() returns");
    int done = commit_all((Log *)object, (Coded *)given, &first);
    if (done <= 0) return done < 0 ? NULL : PyLong_FromLong(-1);
    return PyLong_FromUnsignedLongLong(first);
}

/* As `path_append`, for a batch. Twin: `CompiledPath.append_coded_plainly`. */
static PyObject *path_append_coded(PyObject *object, PyObject *given) {
    Path *self = (Path *)object;
    uint64_t first = 0;
    int done = self->log != NULL && is_of(given, coded_type) && is_free(self);
    if (done > 0) done = commit_all((Log *)self->log, (Coded *)given, &first);
    if (done > 0) done = wake(self, ((Coded *)given)->topics);
    if (done == 0) return PyObject_CallMethod(object, "append_coded_plainly", "(O)", given);
    return done < 0 ? NULL : PyLong_FromUnsignedLongLong(first);
}

static PyMemberDef coded_members[] = {
    {"size", T_ULONGLONG, offsetof(Coded, size), READONLY, NULL},
    {"count", T_PYSSIZET, offsetof(Coded, count), READONLY, NULL},
    {"young", T_OBJECT, offsetof(Coded, young), READONLY, NULL},
    {"topics", T_OBJECT, offsetof(Coded, topics), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

HOLDER(Coded, Py_TPFLAGS_DISALLOW_INSTANTIATION, {Py_tp_dealloc, coded_dealloc},
       {Py_tp_members, coded_members}, {Py_sq_length, coded_length},
       {Py_sq_inplace_concat, coded_extend});
