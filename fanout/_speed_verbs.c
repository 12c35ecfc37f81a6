/* The verbs of publishers and batches, compiled: what they do with usual arguments.

   The Python code is the reference here too: each verb names its twin, which does all that is not
   usual, called as the verb was. What appends is in `_speed.c`, and what is said there of threads and
   interruptions holds here: no Python code runs between a look at the arguments and the commit. */

#include "_speed.h"

static PyObject *str_messages, *str_path, *str_rules, *str_throw, *str_close, *str_qualname;
static PyObject *str_publish_plainly, *str_send_plainly, *str_multipart_plainly;

static const Name names[] = {
    {&str_messages, "_messages"}, {&str_path, "_path"}, {&str_rules, "_rules"},
    {&str_throw, "throw"}, {&str_close, "close"}, {&str_qualname, "__qualname__"},
    {&str_publish_plainly, "_publish_plainly"}, {&str_send_plainly, "_send_plainly"},
    {&str_multipart_plainly, "_send_multipart_plainly"},
};

typedef enum { PUBLISH, SEND, MULTIPART, KINDS } Kind;

/* ---- What verbs are called with. ---- */

/* Body and subject of a message, as `append_usual` takes them; new references, or none. */
typedef struct {
    PyObject *body, *subject;
} Usual;

/* By `send()`, what is on no reserved topic whatever these are. Twin: `wire.ORDINARY`. */
static int is_ordinary(PyObject *frame) {
    return PyBytes_CheckExact(frame) && PyBytes_Size(frame) > 0 && PyBytes_AsString(frame)[0] != 0;
}

/* Whether a verb may be usual with these; for frames, whether they are such as can be looked at. */
static int may_be_usual(Kind kind, PyObject *const *args, Py_ssize_t count) {
    if (kind == PUBLISH)
        return count == 2 && PyBytes_CheckExact(args[0]) && PyBytes_CheckExact(args[1]);
    if (count != 1) return 0;
    return kind == SEND ? is_ordinary(args[0]) : frames_of(args[0]).count > 0;
}

static int set(Usual *usual, PyObject *body, PyObject *subject) {
    usual->body = Py_NewRef(body), usual->subject = Py_NewRef(subject);
    return 1;
}

static void drop(Usual *usual) {
    Py_DECREF(usual->body);
    Py_DECREF(usual->subject);
}

/* Makes what is appended of arguments that may be usual, for a send path.
   Returns 1, and the caller drops it; 0: they are the twin's; -1: an error is set.
   Twins: the beginnings of `Publisher.publish`, `Publisher.send` and `Verbs.send_multipart`. */
static int get_usual(Kind kind, PyObject *path, PyObject *const *args, Usual *usual) {
    if (kind == PUBLISH) return set(usual, args[1], args[0]);
    if (kind == SEND) return set(usual, args[0], Py_None);
    Frames frames = frames_of(args[0]);
    if (frames.count > 2) {
        usual->body = join_frames(path, args[0], &usual->subject);
        return usual->body != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
    }
    PyObject *first = frames.count > 0 ? frames.item(args[0], 0) : Py_None;
    PyObject *second = frames.count > 1 ? frames.item(args[0], 1) : Py_None;
    if (frames.count == 1 && is_ordinary(first)) return set(usual, first, Py_None);
    if (!PyBytes_CheckExact(first) || !PyBytes_CheckExact(second)) return 0;
    return set(usual, second, first);
}

/* Appends by the path that the publisher has now, at this place. Returns as `append_usual`. */
static int append_by(Kind kind, PyObject *self, Py_ssize_t place, PyObject *const *args,
                     uint64_t *sequence) {
    Usual usual;
    PyObject *path = get_at(self, place, str_path);
    if (path == NULL) return -1;
    int done = 0;
    if (PyObject_TypeCheck(path, (PyTypeObject *)path_type))
        done = get_usual(kind, path, args, &usual);
    if (done > 0) {
        done = append_usual(path, usual.body, usual.subject, sequence);
        drop(&usual);
    }
    Py_DECREF(path);
    return done;
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

/* ---- Methods that are put into the classes of the blocking publisher and of batches. ---- */

static PyObject *sender; /* the class that sends; what is derived from it may have other verbs */
static Py_ssize_t sender_path; /* the place of its path */
static Py_ssize_t of_batches;  /* the place of the messages of a batch; -1 = each has another */

/* What is not the usual call of a verb is its twin's, which the class has by this name. */
static PyObject *call_twin(Kind kind, PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keys) {
    PyObject *const twins[] = {str_publish_plainly, str_send_plainly, str_multipart_plainly};
    PyObject *twin = PyObject_GetAttr(self, twins[kind]);
    PyObject *result = twin == NULL ? NULL : call_as(twin, args, count, keys);
    Py_XDECREF(twin);
    return result;
}

static PyObject *verb(Kind kind, PyObject *self, PyObject *const *args, Py_ssize_t count,
                      PyObject *keys) {
    uint64_t sequence = 0;
    int done = keys == NULL && may_be_usual(kind, args, count);
    int is_sender = (PyObject *)Py_TYPE(self) == sender;
    if (kind == MULTIPART && !is_sender) done = 0;
    if (done) done = append_by(kind, self, is_sender ? sender_path : 0, args, &sequence);
    if (done == 0) return call_twin(kind, self, args, count, keys);
    return done < 0 ? NULL : PyLong_FromUnsignedLongLong(sequence);
}

/* Twin: `Publisher.publish`. */
static PyObject *verb_publish(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *keys) {
    return verb(PUBLISH, self, args, count, keys);
}

/* Twin: `Publisher.send`. */
static PyObject *verb_send(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *keys) {
    return verb(SEND, self, args, count, keys);
}

/* Twin: `Verbs.send_multipart`. */
static PyObject *verb_multipart(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                PyObject *keys) {
    return verb(MULTIPART, self, args, count, keys);
}

/* Adds both, or neither. Twin: `_messages += body, subject`. */
static int add_both(PyObject *messages, const Usual *usual) {
    Py_ssize_t size = PyList_Size(messages);
    if (PyList_Append(messages, usual->body) < 0) return -1;
    if (PyList_Append(messages, usual->subject) == 0) return 1;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyList_SetSlice(messages, size, size + 1, NULL);
    PyErr_Restore(type, value, traceback);
    return -1;
}

/* The path by which a batch will be committed; a new reference. */
static PyObject *path_of_batch(PyObject *self) {
    PyObject *rules = PyObject_GetAttr(self, str_rules);
    PyObject *path = rules == NULL ? NULL : Py_XNewRef(PyTuple_GetItem(rules, 0));
    Py_XDECREF(rules);
    return path;
}

/* Outside of its block a batch has something else in the place of a list. */
static int add_usual(Kind kind, PyObject *self, PyObject *const *args) {
    Usual usual;
    PyObject *path = NULL;
    if (kind == MULTIPART && frames_of(args[0]).count > 2) {
        path = path_of_batch(self);
        if (path == NULL) return -1;
        if (!PyObject_TypeCheck(path, (PyTypeObject *)path_type)) {
            Py_DECREF(path);
            return 0;
        }
    }
    PyObject *messages = get_at(self, of_batches, str_messages);
    int done = messages == NULL ? -1 : PyList_CheckExact(messages);
    if (done > 0) done = get_usual(kind, path, args, &usual);
    if (done > 0) {
        done = add_both(messages, &usual);
        drop(&usual);
    }
    Py_XDECREF(messages);
    Py_XDECREF(path);
    return done;
}

static PyObject *add(Kind kind, PyObject *self, PyObject *const *args, Py_ssize_t count,
                     PyObject *keys) {
    int done = keys == NULL && may_be_usual(kind, args, count) ? add_usual(kind, self, args) : 0;
    if (done == 0) return call_twin(kind, self, args, count, keys);
    return done < 0 ? NULL : Py_NewRef(Py_None);
}

/* Twin: `Messages.publish`. */
static PyObject *batch_publish(PyObject *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *keys) {
    return add(PUBLISH, self, args, count, keys);
}

/* Twin: `Messages.send`. */
static PyObject *batch_send(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *keys) {
    return add(SEND, self, args, count, keys);
}

/* Twin: `Messages.send_multipart`. */
static PyObject *batch_multipart(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                 PyObject *keys) {
    return add(MULTIPART, self, args, count, keys);
}

enum { VERB = METH_FASTCALL | METH_KEYWORDS };

static PyMethodDef verbs[] = {
    {"publish", CALL(verb_publish), VERB, NULL},
    {"send", CALL(verb_send), VERB, NULL},
    {"send_multipart", CALL(verb_multipart), VERB, NULL},
    {"publish", CALL(batch_publish), VERB, NULL},
    {"send", CALL(batch_send), VERB, NULL},
    {"send_multipart", CALL(batch_multipart), VERB, NULL},
};

/* Makes one of the verbs for a class, with the text that `inspect` reads its signature from. */
static PyObject *make_verb(PyObject *module, PyObject *args) {
    PyObject *type;
    unsigned int which;
    const char *text;
    if (!PyArg_ParseTuple(args, "O!Is", &PyType_Type, &type, &which, &text)) return NULL;
    char *kept = PyMem_Malloc(strlen(text) + 1); /* for as long as the process lives */
    if (kept == NULL) return PyErr_NoMemory();
    PyMethodDef *made = &verbs[which % COUNT_OF(verbs)];
    made->ml_doc = strcpy(kept, text);
    if (which >= KINDS) {
        Py_ssize_t place = place_of(type, "_messages");
        of_batches = of_batches == 0 || of_batches == place ? place : -1;
    } else {
        put(&sender, type);
        sender_path = place_of(type, "_path");
    }
    return PyDescr_NewMethod((PyTypeObject *)type, made);
}

/* ---- Sending: what a verb of asyncio returns. Twin: the coroutine of the verb. ---- */

typedef PyObject *(*Vectorcall)(PyObject *, PyObject *const *, size_t, PyObject *);

/* A verb in the class of a publisher for asyncio, called as `publisher.publish(...)`; whoever gets it
   as an attribute, to call it later or to look at it, gets the method that is its twin. */
typedef struct {
    PyObject_HEAD
    Vectorcall call;
    PyObject *twin; /* a function that returns a coroutine */
    PyObject *type; /* the class; what is derived from it may have other verbs */
    Kind kind;
    Py_ssize_t path; /* the place of that of the publisher */
} Verb;

enum { GIVEN = 3 }; /* arguments that a usual call has at most, with the publisher */

/* As a coroutine: it does nothing until it is awaited, and can be awaited once. What is not usual
   then, as when there is no room, is done by the coroutine that the twin returns. */
typedef struct {
    PyObject_HEAD
    Verb *verb;             /* until it begins */
    PyObject *given[GIVEN]; /* until it begins */
    PyObject *twin;         /* a coroutine, if it was needed */
} Sending;

static PyObject *verb_type, *sending_type;
static Sending *spare; /* memory of one that is no more, for the next; NULL = none, or in use */

static PyObject *begin(Verb *verb, PyObject *const *args, Py_ssize_t count) {
    Sending *self = spare;
    spare = NULL;
    if (self != NULL) {
        PyObject_Init((PyObject *)self, (PyTypeObject *)sending_type);
        PyObject_GC_Track((PyObject *)self);
    } else {
        self = (Sending *)PyType_GenericAlloc((PyTypeObject *)sending_type, 0);
    }
    if (self == NULL) return NULL;
    self->verb = (Verb *)Py_NewRef((PyObject *)verb);
    for (Py_ssize_t i = 0; i < count; i++) self->given[i] = Py_NewRef(args[i]);
    return (PyObject *)self;
}

static int sending_traverse(PyObject *object, visitproc visit, void *arg) {
    Sending *self = (Sending *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->verb);
    for (int i = 0; i < GIVEN; i++) Py_VISIT(self->given[i]);
    Py_VISIT(self->twin);
    return 0;
}

static int sending_clear(PyObject *object) {
    Sending *self = (Sending *)object;
    Py_CLEAR(self->verb);
    for (int i = 0; i < GIVEN; i++) Py_CLEAR(self->given[i]);
    Py_CLEAR(self->twin);
    return 0;
}

/* As Python says it of a coroutine. */
static void warn_of(Verb *verb) {
    PyObject *name = PyObject_GetAttr(verb->twin, str_qualname);
    if (name == NULL ||
        PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%U' was never awaited", name) < 0)
        PyErr_WriteUnraisable(verb->twin);
    Py_XDECREF(name);
}

/* Who is interrupted between the call and the await has not forgotten it. */
static void sending_dealloc(PyObject *object) {
    Sending *self = (Sending *)object;
    PyObject_GC_UnTrack(object);
    if (self->verb != NULL && !PyErr_Occurred()) warn_of(self->verb);
    sending_clear(object);
    if (spare != NULL) {
        free_object(object);
        return;
    }
    PyTypeObject *type = Py_TYPE(object);
    spare = self;
    Py_DECREF(type);
}

/* What it was called with; from then on it has begun. */
typedef struct {
    Verb *verb;             /* NULL: it had begun before */
    PyObject *given[GIVEN]; /* the last one may be NULL */
} Call;

static Call take(Sending *self) {
    Call call = {self->verb, {self->given[0], self->given[1], self->given[2]}};
    self->verb = NULL;
    memset(self->given, 0, sizeof self->given);
    return call;
}

static void drop_call(Call *call) {
    Py_XDECREF((PyObject *)call->verb);
    for (int i = 0; i < GIVEN; i++) Py_XDECREF(call->given[i]);
}

static PyObject *call_whole(const Call *call) {
    Py_ssize_t count = call->given[GIVEN - 1] != NULL ? GIVEN : GIVEN - 1;
    return call_as(call->verb->twin, call->given, count, NULL);
}

/* The coroutine of the twin, for all that is left; borrowed. NULL: an error is set. */
static PyObject *get_twin(Sending *self) {
    Call call = take(self);
    if (call.verb != NULL) self->twin = call_whole(&call);
    else if (self->twin == NULL)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    drop_call(&call);
    return self->twin;
}

/* A step of it. */
static PySendResult sending_step(PyObject *object, PyObject *value, PyObject **result) {
    Sending *self = (Sending *)object;
    *result = NULL;
    if (self->verb != NULL && value == Py_None) {
        uint64_t sequence = 0;
        Call call = take(self);
        Verb *verb = call.verb;
        int done = append_by(verb->kind, call.given[0], verb->path, call.given + 1, &sequence);
        if (done == 0) {
            self->twin = call_whole(&call);
            if (self->twin == NULL) done = -1;
        }
        drop_call(&call);
        if (done > 0) *result = PyLong_FromUnsignedLongLong(sequence);
        if (done != 0) return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
    }
    PyObject *twin = get_twin(self);
    return twin == NULL ? PYGEN_ERROR : PyIter_Send(twin, value, result);
}

static PyObject *sending_send(PyObject *object, PyObject *value) {
    PyObject *result, *stop;
    PySendResult how = sending_step(object, value, &result);
    if (how != PYGEN_RETURN) return result;
    stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);
    if (stop != NULL) PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    Py_DECREF(result);
    return NULL;
}

static PyObject *sending_next(PyObject *object) { return sending_send(object, Py_None); }

static PyObject *sending_throw(PyObject *object, PyObject *args) {
    PyObject *twin = get_twin((Sending *)object);
    PyObject *call = twin == NULL ? NULL : PyObject_GetAttr(twin, str_throw);
    PyObject *result = call == NULL ? NULL : PyObject_CallObject(call, args);
    Py_XDECREF(call);
    return result;
}

static PyObject *sending_close(PyObject *object, PyObject *unused) {
    Sending *self = (Sending *)object;
    Call call = take(self);
    drop_call(&call);
    if (self->twin == NULL) Py_RETURN_NONE;
    return PyObject_CallMethodObjArgs(self->twin, str_close, NULL);
}

static PyMethodDef sending_methods[] = {
    {"send", sending_send, METH_O, "send(value)\n--\n\nAs of a coroutine."},
    {"throw", sending_throw, METH_VARARGS, "As of a coroutine."},
    {"close", sending_close, METH_NOARGS, "close()\n--\n\nAs of a coroutine."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot sending_slots[] = {
    {Py_tp_traverse, sending_traverse}, {Py_tp_clear, sending_clear},
    {Py_tp_dealloc, sending_dealloc},   {Py_tp_methods, sending_methods},
    {Py_tp_iter, PyObject_SelfIter},    {Py_tp_iternext, sending_next},
    {Py_am_await, PyObject_SelfIter},   {Py_am_send, sending_step},
    {0, NULL},
};

static PyType_Spec sending_spec = {
    "fanout._speed.Sending", sizeof(Sending), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, sending_slots,
};

/* ---- Verb: a method of a publisher for asyncio. ---- */

#ifndef Py_TPFLAGS_HAVE_VECTORCALL /* it is in the stable ABI since 3.12, and the same before */
#define Py_TPFLAGS_HAVE_VECTORCALL (1UL << 11)
#endif
#define IN_FRONT ((size_t)1 << (8 * sizeof(size_t) - 1)) /* a flag in the number of arguments */

static PyObject *verb_fast(PyObject *object, PyObject *const *args, size_t flagged,
                           PyObject *keys) {
    Verb *verb = (Verb *)object;
    Py_ssize_t count = (Py_ssize_t)(flagged & ~IN_FRONT);
    int usual = keys == NULL && count > 1 && may_be_usual(verb->kind, args + 1, count - 1);
    if (usual && (PyObject *)Py_TYPE(args[0]) != verb->type)
        usual = verb->kind != MULTIPART && PyObject_TypeCheck(args[0], (PyTypeObject *)verb->type);
    return usual ? begin(verb, args, count) : call_as(verb->twin, args, count, keys);
}

static PyObject *verb_call(PyObject *object, PyObject *args, PyObject *keywords) {
    return PyObject_Call(((Verb *)object)->twin, args, keywords);
}

static PyObject *verb_get(PyObject *object, PyObject *instance, PyObject *owner) {
    PyObject *twin = ((Verb *)object)->twin;
    descrgetfunc get = PyType_GetSlot(Py_TYPE(twin), Py_tp_descr_get);
    return get == NULL ? Py_NewRef(twin) : get(twin, instance, owner);
}

static int verb_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Verb *)object)->twin);
    Py_VISIT(((Verb *)object)->type);
    return 0;
}

static int verb_clear(PyObject *object) {
    Py_CLEAR(((Verb *)object)->twin);
    Py_CLEAR(((Verb *)object)->type);
    return 0;
}

static void verb_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    verb_clear(object);
    free_object(object);
}

/* Makes one of the verbs for a class: `make_awaited_verb(type, which, twin)`. */
static PyObject *make_awaited_verb(PyObject *module, PyObject *args) {
    PyObject *type, *twin;
    unsigned int which;
    if (!PyArg_ParseTuple(args, "O!IO", &PyType_Type, &type, &which, &twin)) return NULL;
    Verb *self = (Verb *)PyType_GenericAlloc((PyTypeObject *)verb_type, 0);
    if (self == NULL) return NULL;
    self->call = verb_fast, self->kind = (Kind)(which % KINDS);
    self->path = place_of(type, "_path");
    put(&self->type, type), put(&self->twin, twin);
    return (PyObject *)self;
}

static PyMemberDef verb_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Verb, call), READONLY, NULL},
    {"__wrapped__", T_OBJECT, offsetof(Verb, twin), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot verb_slots[] = {
    {Py_tp_traverse, verb_traverse}, {Py_tp_clear, verb_clear}, {Py_tp_dealloc, verb_dealloc},
    {Py_tp_call, verb_call},         {Py_tp_descr_get, verb_get}, {Py_tp_members, verb_members},
    {0, NULL},
};

static PyType_Spec verb_spec = {
    "fanout._speed.Verb", sizeof(Verb), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
        Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_HAVE_VECTORCALL,
    verb_slots,
};

/* ---- What the module has of it. ---- */

static PyMethodDef functions[] = {
    {"make_verb", make_verb, METH_VARARGS, "make_verb(type, which, text)\n--\n\nA method."},
    {"make_awaited_verb", make_awaited_verb, METH_VARARGS,
     "make_awaited_verb(type, which, twin)\n--\n\nA method."},
    {NULL, NULL, 0, NULL},
};

int add_verbs(PyObject *module) {
    if (intern_names(names, COUNT_OF(names)) < 0) return -1;
    if (add_type(module, &sending_spec, "Sending", &sending_type) < 0) return -1;
    if (add_type(module, &verb_spec, "Verb", &verb_type) < 0) return -1;
    return PyModule_AddFunctions(module, functions);
}
