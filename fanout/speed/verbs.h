/* Verb: a method of a publisher or a batch, which does itself what is usual; its twin, the method of
   before, does all else, called as it was. Twins: `publish`, `send` and `send_multipart`. */

#pragma once

#include "sending.h"

static PyObject *method_type; /* `types.MethodType` */

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
    int done = keys == NULL && count == verb->count;
    if (done && (PyObject *)Py_TYPE(args[0]) != verb->type)
        done = verb->kind != MULTIPART && is_of(args[0], verb->type);
    if (done && verb->mode == AWAITED) return begin_sending(verb, args);
    if (done) done = get_frames(verb->kind, args + 1, &frames);
    if (done && verb->mode == NOW) done = append_by(verb, args[0], &frames, &sequence);
    if (done && verb->mode == TO_BATCH) done = add_to(verb, args[0], &frames);
    if (done == 0) return PyObject_Vectorcall(verb->twin, args, (size_t)count, keys);
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
    self->count = self->kind == PUBLISH ? GIVEN : GIVEN - 1, self->place = place_of(type, attribute);
    put(&self->type, type), put(&self->twin, twin);
    return (PyObject *)self;
}
