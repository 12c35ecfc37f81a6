/* Sending: what a verb of asyncio returns. Twin: the coroutine of the verb.

   As a coroutine it does nothing until it is awaited, and can be awaited once. What is not usual
   then, as when there is no room, is done by the coroutine that the twin of the verb returns. */

#pragma once

#include "arguments.h"

enum { GIVEN = 3 }; /* arguments that a usual call has at most, with the publisher */

typedef struct {
    PyObject_HEAD
    Verb *verb;
    PyObject *given[GIVEN]; /* the last one may be NULL */
    PyObject *twin;         /* a coroutine, if it was needed */
    char has_begun;
} Sending;

HOLDING(Sending, verb, GIVEN + 2)

static PyObject *sending_type;
static Sending *spare_sending; /* one that is over and nobody has, for the next; NULL = none */

static PyObject *begin_sending(Verb *verb, PyObject *const *args) {
    Sending *self = spare_sending;
    spare_sending = NULL;
    if (self == NULL) self = (Sending *)PyType_GenericAlloc((PyTypeObject *)sending_type, 0);
    if (self == NULL) return NULL;
    self->verb = (Verb *)Py_NewRef((PyObject *)verb), self->has_begun = 0;
    for (Py_ssize_t i = 0; i < verb->count; i++) self->given[i] = Py_NewRef(args[i]);
    return (PyObject *)self;
}

/* As Python says it of a coroutine. */
static void warn_of(Verb *verb) {
    PyObject *name = PyObject_GetAttrString(verb->twin, "__qualname__");
    if (name == NULL ||
        PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%U' was never awaited", name) < 0)
        PyErr_WriteUnraisable(verb->twin);
    Py_XDECREF(name);
}

/* It comes back for the next call, emptied, as it is and where it is: that takes a third of the time.
   Who is interrupted between the call and the await has not forgotten it. Without a verb it was in a
   circle, and the garbage collector has cleared it first. */
static void sending_dealloc(PyObject *object) {
    Sending *self = (Sending *)object;
    Py_INCREF(object);
    if (!self->has_begun && self->verb != NULL && !PyErr_Occurred()) warn_of(self->verb);
    self->has_begun = 1;
    Sending_clear(object);
    if (Py_REFCNT(object) > 1) { /* somebody got it from the garbage collector meanwhile */
        Py_DECREF(object);
    } else if (spare_sending == NULL) {
        spare_sending = self;
    } else {
        PyObject_GC_UnTrack(object), free_object(object);
    }
}

/* Begins: with the coroutine of the twin, for all that is left; NULL: an error is set. */
static PyObject *call_twin(Sending *self) {
    self->has_begun = 1;
    size_t count = (size_t)self->verb->count;
    return self->twin = PyObject_Vectorcall(self->verb->twin, self->given, count, NULL);
}

/* The same, or what has begun; borrowed. */
static PyObject *get_twin(Sending *self) {
    if (!self->has_begun) return call_twin(self);
    if (self->twin == NULL)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    return self->twin;
}

/* A step of it. */
static PySendResult sending_step(PyObject *object, PyObject *value, PyObject **result) {
    Sending *self = (Sending *)object;
    uint64_t sequence = 0;
    Frames frames;
    *result = NULL;
    if (!self->has_begun && value == Py_None) {
        self->has_begun = 1;
        int done = get_frames(self->verb->kind, self->given + 1, &frames);
        if (done) done = append_by(self->verb, self->given[0], &frames, &sequence);
        if (done > 0) *result = PyLong_FromUnsignedLongLong(sequence);
        if (done != 0) return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
        call_twin(self);
    }
    PyObject *twin = get_twin(self);
    return twin == NULL ? PYGEN_ERROR : PyIter_Send(twin, value, result);
}

static PyObject *sending_send(PyObject *object, PyObject *value) {
    PyObject *result, *stop;
    if (sending_step(object, value, &result) != PYGEN_RETURN) return result;
    stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);
    if (stop != NULL) PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop), Py_DECREF(result);
    return NULL;
}

static PyObject *sending_next(PyObject *object) { return sending_send(object, Py_None); }

static PyObject *sending_throw(PyObject *object, PyObject *args) {
    PyObject *twin = get_twin((Sending *)object);
    PyObject *call = twin == NULL ? NULL : PyObject_GetAttrString(twin, "throw");
    PyObject *result = call == NULL ? NULL : PyObject_CallObject(call, args);
    Py_XDECREF(call);
    return result;
}

static PyObject *sending_close(PyObject *object, PyObject *unused) {
    Sending *self = (Sending *)object;
    self->has_begun = 1;
    if (self->twin == NULL) return Py_NewRef(Py_None);
    return PyObject_CallMethod(self->twin, "close", NULL);
}

static PyMethodDef sending_methods[] = {
    {"send", sending_send, METH_O, "send(value)\n--\n\nAs of a coroutine."},
    {"throw", sending_throw, METH_VARARGS, "As of a coroutine."},
    {"close", sending_close, METH_NOARGS, "close()\n--\n\nAs of a coroutine."},
    {NULL, NULL, 0, NULL},
};

HOLDER(Sending, Py_TPFLAGS_DISALLOW_INSTANTIATION, {Py_tp_dealloc, sending_dealloc},
       {Py_tp_methods, sending_methods}, {Py_tp_iter, PyObject_SelfIter},
       {Py_tp_iternext, sending_next}, {Py_am_await, PyObject_SelfIter},
       {Py_am_send, sending_step});
