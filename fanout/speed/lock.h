/* Lock: an RLock that says in a word whether it is held. Twin: `threading.RLock`. */

#pragma once

#include "objects.h"

typedef struct {
    PyObject_HEAD
    PyObject *inner;                     /* the RLock */
    PyObject *acquire, *release, *owned; /* methods of it */
    Py_buffer held;  /* of a word: the number of the lock that is held, 0 = none */
    uint64_t number; /* of this lock among those that share the word; from 1 */
} Lock;

HOLDING(Lock, inner, 4)

static void lock_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object), Lock_clear(object);
    PyBuffer_Release(&((Lock *)object)->held);
    free_object(object);
}

/* Made whole or not at all. */
static PyObject *lock_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *inner, *acquire, *release, *owned, *held;
    unsigned long long number;
    if (!PyArg_ParseTuple(args, "OOOOOK", &inner, &acquire, &release, &owned, &held, &number))
        return NULL;
    Lock *self = (Lock *)PyType_GenericAlloc(type, 0);
    if (self == NULL) return NULL;
    put(&self->inner, inner), put(&self->acquire, acquire), put(&self->release, release);
    put(&self->owned, owned), self->number = number;
    if (share_words(held, &self->held) == 0) return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

static PyObject *lock_acquire(PyObject *object, PyObject *args, PyObject *keywords) {
    Lock *self = (Lock *)object;
    PyObject *result = PyObject_Call(self->acquire, args, keywords);
    if (result == Py_True) *(uint64_t *)self->held.buf = self->number;
    return result;
}

/* Nobody holds locks of this kind twice, so that the first release is the last. One that was lost,
   and replaced meanwhile, has no say in the word any more. */
static PyObject *lock_release(PyObject *object, PyObject *unused) {
    Lock *self = (Lock *)object;
    uint64_t *held = self->held.buf, before = *held;
    if (before == self->number) *held = 0;
    PyObject *result = PyObject_CallNoArgs(self->release);
    if (result == NULL) *held = before;
    return result;
}

static PyObject *lock_repr(PyObject *object) { return PyObject_Repr(((Lock *)object)->inner); }

static PyMethodDef lock_methods[] = {
    {"acquire", CALL(lock_acquire), METH_VARARGS | METH_KEYWORDS, NULL},
    {"release", lock_release, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef lock_members[] = {
    {"_is_owned", T_OBJECT, offsetof(Lock, owned), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

HOLDER(Lock, 0, {Py_tp_new, lock_new}, {Py_tp_dealloc, lock_dealloc}, {Py_tp_repr, lock_repr},
       {Py_tp_methods, lock_methods}, {Py_tp_members, lock_members});
