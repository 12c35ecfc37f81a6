/* Arguments: what a verb was called with, where that is usual, and what becomes of it.

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
    Py_ssize_t count; /* of the arguments of a usual call, with the publisher */
    Py_ssize_t place; /* of the path in a publisher, or of the messages in a batch */
} Verb;

HOLDING(Verb, twin, 2)

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

/* Looks at what a verb was called with, as many as it takes; returns whether that may be usual.
   Twins: the beginnings of `Publisher.publish`, `Publisher.send` and `Verbs.send_multipart`. */
static int get_frames(Kind kind, PyObject *const *args, Frames *frames) {
    if (kind == PUBLISH) {
        frames->subject = args[0], frames->all[0] = args[1], frames->count = 1;
        if (!PyBytes_CheckExact(args[0]) && !PyUnicode_CheckExact(args[0])) return 0;
        return PyBytes_CheckExact(args[1]);
    }
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

/* The type of the first path, for good: most programs have one, and to ask for its bases costs 2 %. */
static PyObject *usual_path;

/* Appends by the path that the publisher has now. Returns as `append_usual`. */
static int append_by(const Verb *verb, PyObject *self, const Frames *frames, uint64_t *sequence) {
    Message message;
    PyObject *path = at(self, verb->place);
    if (path == NULL) return 0;
    if ((PyObject *)Py_TYPE(path) != usual_path) {
        if (!is_of(path, path_type)) return 0;
        if (usual_path == NULL) usual_path = Py_NewRef((PyObject *)Py_TYPE(path));
    }
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
