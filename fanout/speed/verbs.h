/* Verb: a method of a publisher or a batch, which does itself what is usual; its twin, the method of
   before, does all else, called as it was. Twins: `publish`, `send` and `send_multipart`.

   No Python code runs between a look at the arguments and the commit. */

#pragma once

#include "coded.h"

typedef enum { PUBLISH, SEND, MULTIPART, KINDS } Kind;
typedef enum { NOW, TO_BATCH, AWAITED, MODES } Mode; /* when it appends */

typedef struct {
    PyObject_HEAD
    PyObject *(*call)(PyObject *, PyObject *const *, size_t, PyObject *);
    PyObject *twin; /* a function */
    PyObject *type; /* the class that has it; what is derived from it may have other verbs */
    Kind kind;
    Mode mode;
    Py_ssize_t place; /* of the path in a publisher, or of the messages in a batch */
} Verb;

HOLDING(Verb, twin, 2)

static PyObject *method_type; /* `types.MethodType` */

/* The frames of a message behind its subject; borrowed. */
typedef struct {
    PyObject *subject;
    Py_ssize_t count;
    PyObject *all[FRAMES_MAX];
} Frames;

/* By `send()`, what is on no reserved topic whatever these are. Twin: `wire.ORDINARY`. */
static int set_single(Frames *frames, PyObject *frame) {
    frames->subject = Py_None, frames->all[0] = frame, frames->count = 1;
    return PyBytes_CheckExact(frame) && Py_SIZE(frame) > 0 && *bytes_in(frame) != 0;
}

/* Looks at what a verb was called with; returns whether that may be usual.
   Twins: the beginnings of `Publisher.publish`, `Publisher.send` and `Verbs.send_multipart`. */
static int get_frames(Kind kind, PyObject *const *args, Py_ssize_t count, Frames *frames) {
    if (kind == PUBLISH) {
        frames->subject = args[0], frames->all[0] = args[count - 1], frames->count = 1;
        return count == 2 && PyBytes_CheckExact(args[0]) && PyBytes_CheckExact(args[1]);
    }
    if (count != 1) return 0;
    if (kind == SEND) return set_single(frames, args[0]);
    int is_list = PyList_CheckExact(args[0]);
    if (!is_list && !PyTuple_CheckExact(args[0])) return 0;
    PyObject *(*get)(PyObject *, Py_ssize_t) = is_list ? PyList_GetItem : PyTuple_GetItem;
    Py_ssize_t size = Py_SIZE(args[0]);
    if (size == 0 || size > FRAMES_MAX) return 0;
    if (size == 1) return set_single(frames, get(args[0], 0));
    frames->subject = get(args[0], 0), frames->count = size - 1;
    for (Py_ssize_t i = 1; i < size; i++) frames->all[i - 1] = get(args[0], i);
    return PyBytes_CheckExact(frames->subject);
}

/* Appends by the path that the publisher has now. Returns as `append_usual`. */
static int append_by(const Verb *verb, PyObject *self, const Frames *frames, uint64_t *sequence) {
    Message message;
    PyObject *path = at(self, verb->place);
    if (path == NULL || !is_of(path, path_type)) return 0;
    int done = encode((Path *)path, frames->subject, frames->all, frames->count, &message);
    return done > 0 ? append_usual((Path *)path, &message, sequence) : done;
}

/* Outside of its block, and once it has had what is not usual, a batch has no Coded there. */
static int add_to(const Verb *verb, PyObject *self, const Frames *frames) {
    Message message;
    PyObject *coded = at(self, verb->place);
    if (coded == NULL || (PyObject *)Py_TYPE(coded) != coded_type) return 0;
    Path *path = (Path *)((Coded *)coded)->path;
    int done = encode(path, frames->subject, frames->all, frames->count, &message);
    return done > 0 ? add_message((Coded *)coded, &message) : done;
}

/* Calls something as a verb was called. */
static PyObject *call_as(PyObject *call, PyObject *const *args, Py_ssize_t count, PyObject *keys) {
    Py_ssize_t named = keys == NULL ? 0 : PyTuple_Size(keys);
    PyObject *result = NULL;
    PyObject *positional = PyTuple_New(count), *keywords = named ? PyDict_New() : NULL;
    int failed = positional == NULL || (named && keywords == NULL);
    for (Py_ssize_t i = 0; !failed && i < count; i++)
        failed = PyTuple_SetItem(positional, i, Py_NewRef(args[i])) < 0;
    for (Py_ssize_t i = 0; !failed && i < named; i++)
        failed = PyDict_SetItem(keywords, PyTuple_GetItem(keys, i), args[count + i]) < 0;
    if (!failed) result = PyObject_Call(call, positional, keywords);
    Py_XDECREF(keywords);
    Py_XDECREF(positional);
    return result;
}

static PyObject *begin_sending(Verb *verb, PyObject *const *args, Py_ssize_t count);

#ifndef Py_TPFLAGS_HAVE_VECTORCALL /* it is in the stable ABI since 3.12, and the same before */
#define Py_TPFLAGS_HAVE_VECTORCALL (1UL << 11)
#endif
#define IN_FRONT ((size_t)1 << (8 * sizeof(size_t) - 1)) /* a flag in the number of arguments */

static PyObject *verb_fast(PyObject *object, PyObject *const *args, size_t flagged,
                           PyObject *keys) {
    Verb *verb = (Verb *)object;
    Py_ssize_t count = (Py_ssize_t)(flagged & ~IN_FRONT);
    uint64_t sequence = 0;
    Frames frames;
    int done = keys == NULL && count > 1;
    if (done && (PyObject *)Py_TYPE(args[0]) != verb->type)
        done = verb->kind != MULTIPART && is_of(args[0], verb->type);
    if (done) done = get_frames(verb->kind, args + 1, count - 1, &frames);
    if (done && verb->mode == AWAITED) return begin_sending(verb, args, count);
    if (done && verb->mode == NOW) done = append_by(verb, args[0], &frames, &sequence);
    if (done && verb->mode == TO_BATCH) done = add_to(verb, args[0], &frames);
    if (done == 0) return call_as(verb->twin, args, count, keys);
    if (done < 0) return NULL;
    return verb->mode == NOW ? PyLong_FromUnsignedLongLong(sequence) : Py_NewRef(Py_None);
}

static PyObject *verb_call(PyObject *object, PyObject *args, PyObject *keywords) {
    return PyObject_Call(((Verb *)object)->twin, args, keywords);
}

/* Whoever gets an awaited one as an attribute, to call it later or to look at it, gets the twin. */
static PyObject *verb_get(PyObject *object, PyObject *instance, PyObject *owner) {
    Verb *verb = (Verb *)object;
    PyObject *method = verb->mode == AWAITED ? verb->twin : object;
    if (instance == NULL) return Py_NewRef(method);
    return PyObject_CallFunctionObjArgs(method_type, method, instance, NULL);
}

static PyObject *verb_of_twin(PyObject *object, void *name) {
    return PyObject_GetAttrString(((Verb *)object)->twin, name);
}

static void verb_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    Verb_clear(object);
    free_object(object);
}

static PyGetSetDef verb_getset[] = {
    {"__doc__", verb_of_twin, NULL, NULL, "__doc__"},
    {"__name__", verb_of_twin, NULL, NULL, "__name__"},
    {"__qualname__", verb_of_twin, NULL, NULL, "__qualname__"},
    {"__module__", verb_of_twin, NULL, NULL, "__module__"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef verb_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Verb, call), READONLY, NULL},
    {"__wrapped__", T_OBJECT, offsetof(Verb, twin), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* It cannot be changed: methods of such a type are found by a shorter way. */
HOLDER(Verb,
       Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_METHOD_DESCRIPTOR |
           Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
       {Py_tp_dealloc, verb_dealloc}, {Py_tp_call, verb_call}, {Py_tp_descr_get, verb_get},
       {Py_tp_getset, verb_getset}, {Py_tp_members, verb_members});

static PyObject *verb_type;

/* Makes a verb for a class: `make_verb(type, attribute, mode, kind, twin)`. */
static PyObject *make_verb(PyObject *module, PyObject *args) {
    PyObject *type, *twin;
    const char *attribute;
    unsigned int mode, kind;
    if (!PyArg_ParseTuple(args, "O!sIIO", &PyType_Type, &type, &attribute, &mode, &kind, &twin))
        return NULL;
    Verb *self = (Verb *)PyType_GenericAlloc((PyTypeObject *)verb_type, 0);
    if (self == NULL) return NULL;
    self->call = verb_fast, self->mode = (Mode)(mode % MODES), self->kind = (Kind)(kind % KINDS);
    self->place = place_of(type, attribute);
    put(&self->type, type), put(&self->twin, twin);
    return (PyObject *)self;
}
