/* The module `fanout._speed`, of what is in `_speed.c` and, standing on that, in `_speed_verbs.c`. */

#include "_speed.h"

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "fanout._speed", "The usual sends, compiled.", -1, NULL,
};

PyMODINIT_FUNC PyInit__speed(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || add_paths(module) < 0 || add_verbs(module) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
