/* What all of the compiled part stands on: the stable ABI, types, and attributes by their place. */

#pragma once

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <structmember.h>

#include <stdint.h>
#include <string.h>

/* It is in the stable ABI since 3.12, and the same before. */
PyAPI_FUNC(PyObject *) PyObject_Vectorcall(PyObject *, PyObject *const *, size_t, PyObject *);

#define CALL(function) ((PyCFunction)(void (*)(void))(function))

/* What a type of the module is made of: objects of this struct, which names it, and its slots. */
#define TYPE(name, flags, ...)                                                 \
    static PyType_Slot name##_slots[] = {__VA_ARGS__, {0, NULL}};              \
    static PyType_Spec name##_spec = {                                         \
        "fanout._speed." #name, sizeof(name), 0, Py_TPFLAGS_DEFAULT | (flags), \
        name##_slots,                                                          \
    }

/* What a type needs whose objects hold so many others, one behind another from this one on. */
#define HOLDING(name, first, count)                                            \
    static int name##_traverse(PyObject *object, visitproc visit, void *arg) { \
        PyObject **all = (PyObject **)&((name *)object)->first;                \
        Py_VISIT(Py_TYPE(object));                                             \
        for (int i = 0; i < (count); i++) Py_VISIT(all[i]);                    \
        return 0;                                                              \
    }                                                                          \
    static int name##_clear(PyObject *object) {                                \
        PyObject **all = (PyObject **)&((name *)object)->first;                \
        for (int i = 0; i < (count); i++) Py_CLEAR(all[i]);                    \
        return 0;                                                              \
    }
#define HOLDER(name, flags, ...)                                                             \
    TYPE(name, Py_TPFLAGS_HAVE_GC | (flags), {Py_tp_traverse, name##_traverse},              \
         {Py_tp_clear, name##_clear}, __VA_ARGS__)

static void put(PyObject **place, PyObject *value) {
    PyObject *old = *place;
    *place = Py_XNewRef(value);
    Py_XDECREF(old);
}

static void free_object(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* Where the bytes begin in a bytes object, as in each; noted before anything is appended. */
static Py_ssize_t bytes_begin;

static const char *bytes_in(PyObject *bytes) { return (const char *)bytes + bytes_begin; }

static int is_of(PyObject *object, PyObject *type) {
    return PyObject_TypeCheck(object, (PyTypeObject *)type);
}

/* What is said of a mistake of ours in what is handed to the module. */
static PyObject *mistake(const char *text) {
    return PyErr_SetString(PyExc_TypeError, text), NULL;
}

/* Words that are shared until the buffer is released, or are others; returns -1 with an error set. */
static int share_words(PyObject *given, Py_buffer *buffer) {
    Py_buffer words;
    if (PyObject_GetBuffer(given, &words, PyBUF_WRITABLE) < 0) return -1;
    if ((size_t)words.len < sizeof(uint64_t) || (uintptr_t)words.buf % sizeof(uint64_t) != 0) {
        PyErr_SetString(PyExc_ValueError, "what is shared must be aligned words");
        return PyBuffer_Release(&words), -1;
    }
    PyBuffer_Release(buffer);
    *buffer = words;
    return 0;
}

/* ---- Attributes in `__slots__`, found by their place: a look-up of the name takes longer. ---- */

/* Where objects of a type, or of what is derived from it, have this attribute; 0 = not known. */
static Py_ssize_t place_of(PyObject *type, const char *name) {
    for (; type != NULL; type = PyType_GetSlot((PyTypeObject *)type, Py_tp_base)) {
        const PyMemberDef *one = PyType_GetSlot((PyTypeObject *)type, Py_tp_members);
        for (; one != NULL && one->name != NULL; one++)
            if (one->type == T_OBJECT_EX && strcmp(one->name, name) == 0) return one->offset;
    }
    return 0;
}

/* The attribute at this place; a borrowed reference. NULL = it has none, or where is not known. */
static PyObject *at(PyObject *object, Py_ssize_t place) {
    return place > 0 ? *(PyObject **)((char *)object + place) : NULL;
}

/* Topics whose attributes are stored: usual ones, and those that have a place among last values,
   once somebody has such (NULL = nobody has); the one of single frames; where attributes are. */
static struct {
    PyObject *usual, *placed, *unknown;
    Py_ssize_t head, id;
} topics;

static int is_topic(PyObject *object) {
    PyObject *type = (PyObject *)Py_TYPE(object);
    return type == topics.usual || type == topics.placed;
}

static void note_topics(PyObject *usual, PyObject *placed) {
    put(&topics.usual, usual);
    if (placed != usual && PyType_IsSubtype((PyTypeObject *)placed, (PyTypeObject *)usual))
        put(&topics.placed, placed); /* for good: others of this process may have none */
    topics.head = place_of(usual, "head"), topics.id = place_of(usual, "id");
}

/* The id of a topic, as it is at the time of the commit; 0, `NOT_INTERNED`: it has none stored. */
static uint64_t get_id(PyObject *topic) {
    PyObject *id = at(topic, topics.id);
    return id != NULL && PyLong_CheckExact(id) ? PyLong_AsUnsignedLongLongMask(id) : 0;
}
