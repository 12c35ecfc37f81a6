/* What the files of the compiled part have in common. */

#ifndef FANOUT_SPEED_H
#define FANOUT_SPEED_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <structmember.h>

#include <stdint.h>
#include <string.h>

#define CALL(function) ((PyCFunction)(void (*)(void))(function))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A name that is looked up often. */
typedef struct {
    PyObject **place;
    const char *text;
} Name;

static inline void put(PyObject **place, PyObject *value) {
    PyObject *old = *place;
    Py_XINCREF(value);
    *place = value;
    Py_XDECREF(old);
}

/* The frames of a message, as users give them; none, if that is no list and no tuple. */
typedef struct {
    PyObject *all;
    Py_ssize_t count;
    PyObject *(*item)(PyObject *, Py_ssize_t); /* returns a borrowed reference */
} Frames;

static inline Frames frames_of(PyObject *all) {
    if (PyList_CheckExact(all)) return (Frames){all, PyList_Size(all), PyList_GetItem};
    if (PyTuple_CheckExact(all)) return (Frames){all, PyTuple_Size(all), PyTuple_GetItem};
    return (Frames){all, 0, PyTuple_GetItem};
}

#pragma GCC visibility push(hidden) /* nothing of it is for other libraries */

/* In `_speed.c`. */

extern PyObject *path_type;

void free_object(PyObject *self);
int append_usual(PyObject *path, PyObject *body, PyObject *subject, uint64_t *sequence);
PyObject *join_frames(PyObject *path, PyObject *frames, PyObject **topic);
Py_ssize_t place_of(PyObject *type, const char *name);
PyObject *get_at(PyObject *object, Py_ssize_t place, PyObject *name);
int intern_names(const Name *all, size_t count);
int add_paths(PyObject *module);
int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyObject **kept);

/* In `_speed_verbs.c`. */

int add_verbs(PyObject *module);

#pragma GCC visibility pop

#endif
