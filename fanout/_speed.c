/* The module `fanout._speed`: the usual sends, compiled, of what is in `speed/`.

   The Python code is the reference, and is complete without this. Each function there names its twin;
   nothing is decided there that is not decided in Python. What is not the usual case (a topic that is
   not known, no room, a flag that is up, a gate that is shut, a lock that is held) is left to the twin.

   Threads. The interpreter lock is held from the first line of a call to its last, and no Python code
   runs in between. So the send lock need not be taken: it is enough that nobody holds it, which `held`
   says (see `Lock`). A signal handler does not run in the middle either: what the twin does in steps
   that may be interrupted is one step here. */

#include "speed/lock.h"
#include "speed/verbs.h"

static PyMethodDef log_methods[] = {
    {"append_coded", log_append_coded, METH_O, "See `LogWriter.append_batch`."},
    {"share", log_share, METH_VARARGS, "Use this memory."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef log_members[] = {
    {"_position_limit", T_ULONGLONG, offsetof(Log, position_limit), 0, NULL},
    {"_sequence_limit", T_ULONGLONG, offsetof(Log, sequence_limit), 0, NULL},
    {"_epoch", T_ULONGLONG, offsetof(Log, epoch), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

TYPE(Log, Py_TPFLAGS_BASETYPE, {Py_tp_dealloc, log_dealloc}, {Py_tp_methods, log_methods},
     {Py_tp_members, log_members});

static PyMethodDef path_methods[] = {
    {"append", CALL(path_append), METH_FASTCALL, "See `SendPath.append`."},
    {"collect", path_collect, METH_NOARGS, "See `SendPath.collect`."},
    {"share", path_share, METH_VARARGS, "Append with these from now on."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef path_members[] = {
    {"_ask_each", T_BOOL, offsetof(Path, ask_each), 0, NULL},
    {"_batch_bytes", T_ULONGLONG, offsetof(Path, batch_bytes), 0, NULL},
    {"_batch_count", T_PYSSIZET, offsetof(Path, batch_count), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

HOLDER(Path, Py_TPFLAGS_BASETYPE, {Py_tp_dealloc, path_dealloc}, {Py_tp_methods, path_methods},
       {Py_tp_members, path_members});

static PyObject *lock_type;

static struct {
    PyType_Spec *spec;
    PyObject **type;
} const types[] = {
    {&Lock_spec, &lock_type},   {&Log_spec, &log_type},   {&Path_spec, &path_type},
    {&Coded_spec, &coded_type}, {&Verb_spec, &verb_type}, {&Sending_spec, &sending_type},
};

static PyMethodDef functions[] = {
    {"make_verb", make_verb, METH_VARARGS, "A method of a class."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "fanout._speed", "The usual sends, compiled.", -1, functions,
};

static int fill(PyObject *module) {
    if (PyModule_AddStringConstant(module, "sources", SOURCES) < 0) return -1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        PyObject *type = *types[i].type = PyType_FromSpec(types[i].spec);
        if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) < 0) return -1;
    }
    PyObject *standard = PyImport_ImportModule("types");
    method_type = standard == NULL ? NULL : PyObject_GetAttrString(standard, "MethodType");
    Py_XDECREF(standard);
    return method_type == NULL ? -1 : 0;
}

PyMODINIT_FUNC PyInit__speed(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && fill(module) == 0) return module;
    return Py_XDECREF(module), NULL;
}
