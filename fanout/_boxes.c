/* The module `fanout._boxes`: many frames of a stream put into boxes by one call.

   The Python code is the reference, and is complete without this: each function names its twin. No
   cryptography is done here: libsodium's function, which seals, is PyNaCl's, which says where it is.

   What is read may be memory that is shared. So each byte that says a size is read once, and nothing is
   written beyond what there is room for, whatever is read. What a key is in stays where the caller has it.

   The interpreter lock is let go while boxes are sealed; the buffers are held until then. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum {
    MORE = 1, LONG = 2, COMMAND = 4, /* flags of a frame, on the wire */
    INNER_MORE = 1, INNER_COMMAND = 2, /* of one in a box */
    SHORT_HEADER = 2, LONG_HEADER = 9, SHORT_BODY_MAX = 255,
    HEAD = 8, COUNTER = 8, MAC = 16, OVERHEAD = HEAD + COUNTER + MAC + 1, /* see `MESSAGE_OVERHEAD` */
    KEY = 32, TEXT = 16,
};

/* crypto_box_easy_afternm(box, text, size, nonce, key) of libsodium; not 0 = it failed. */
typedef int (*Seal)(unsigned char *, const unsigned char *, unsigned long long,
                    const unsigned char *, const unsigned char *);

typedef struct {
    PyObject_HEAD
    Seal seal;
} Boxes;

typedef struct {
    const uint8_t *body;
    size_t size;
    uint8_t inner; /* the first byte of what is sealed */
} Frame;

static uint64_t read64(const uint8_t *at) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | ((const volatile uint8_t *)at)[i];
    return value;
}

static void write64(uint8_t *at, uint64_t value) {
    for (int i = 7; i >= 0; i--, value >>= 8) at[i] = (uint8_t)value;
}

/* The frame at the beginning of so many bytes; returns how many of them it takes, 0 = it is not whole.
   See `layout.frame_at`. */
static size_t frame_at(const uint8_t *at, size_t left, Frame *frame) {
    if (left < SHORT_HEADER) return 0;
    uint8_t flags = *(const volatile uint8_t *)at;
    size_t header = flags & LONG ? LONG_HEADER : SHORT_HEADER;
    if (left < header) return 0;
    uint64_t size = flags & LONG ? read64(at + 1) : ((const volatile uint8_t *)at)[1];
    if (size > left - header) return 0;
    frame->body = at + header;
    frame->size = (size_t)size;
    frame->inner = (flags & MORE ? INNER_MORE : 0) | (flags & COMMAND ? INNER_COMMAND : 0);
    return header + frame->size;
}

/* Bytes of the frame that is sent in the place of one with so many; there is no overflow, since what
   it is of is in memory. */
static size_t boxed(size_t size) {
    size += OVERHEAD;
    return size + (size > SHORT_BODY_MAX ? LONG_HEADER : SHORT_HEADER);
}

/* What is sent in the place of a frame, but for the box; returns where that is to be. */
static uint8_t *write_head(uint8_t *out, size_t body, uint64_t count) {
    if (body > SHORT_BODY_MAX) {
        *out = LONG;
        write64(out + 1, body);
        out += LONG_HEADER;
    } else {
        out[0] = 0;
        out[1] = (uint8_t)body;
        out += SHORT_HEADER;
    }
    memcpy(out, "\7MESSAGE", HEAD);
    write64(out + HEAD, count);
    return out + HEAD + COUNTER;
}

/* What a call seals, of what and into what. */
typedef struct {
    Py_buffer plain, out;
    const char *key, *text;
    uint64_t first, frames;
} Span;

/* Seals all of a span, without the interpreter; returns what is said of what is wrong, or NULL.

   The text goes where its box is to be, and is sealed in that place: a copy less, and less memory. */
static const char *seal_all(Seal seal, const Span *span, size_t *sealed) {
    const uint8_t *at = span->plain.buf, *key = (const uint8_t *)span->key;
    uint8_t *out = span->out.buf;
    size_t left = (size_t)span->plain.len, room = (size_t)span->out.len;
    uint8_t nonce[TEXT + COUNTER];
    memcpy(nonce, span->text, TEXT);
    for (uint64_t i = 0; i < span->frames; i++) {
        Frame frame;
        size_t taken = frame_at(at, left, &frame);
        if (taken == 0) return "there are fewer frames";
        size_t size = boxed(frame.size);
        if (size > room) return "there is no room for the boxes";
        write64(nonce + TEXT, span->first + i);
        uint8_t *box = write_head(out, OVERHEAD + frame.size, span->first + i);
        box[MAC] = frame.inner;
        memmove(box + MAC + 1, frame.body, frame.size);
        if (seal(box, box + MAC, 1 + frame.size, nonce, key) != 0) {
            memset(box, 0, MAC + 1 + frame.size); /* it may be plain */
            return "libsodium did not seal a box";
        }
        at += taken, left -= taken, out += size, room -= size;
    }
    *sealed = (size_t)span->out.len - room;
    return left == 0 ? NULL : "there are more frames";
}

/* The number of an argument; returns -1 with an error set. */
static int number(PyObject *given, uint64_t *value) {
    *value = PyLong_AsUnsignedLongLong(given);
    return *value == (uint64_t)-1 && PyErr_Occurred() ? -1 : 0;
}

/* The bytes of an argument, which are so many; NULL = they are not, and an error is set. */
static const char *exactly(PyObject *given, Py_ssize_t size, const char *what) {
    char *found;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(given, &found, &length) < 0) return NULL;
    if (length == size) return found;
    PyErr_Format(PyExc_ValueError, "%s has %zd bytes", what, size);
    return NULL;
}

static int count_arguments(Py_ssize_t count, Py_ssize_t expected) {
    if (count == expected) return 0;
    PyErr_Format(PyExc_TypeError, "%zd arguments are needed", expected);
    return -1;
}

/* Both buffers are held; see `seal`. */
static PyObject *seal_span(Boxes *self, Span *span) {
    if (span->frames > 0 && span->first > UINT64_MAX - (span->frames - 1)) {
        PyErr_SetString(PyExc_OverflowError, "there are not so many nonces");
        return NULL;
    }
    const char *wrong;
    size_t sealed = 0;
    Py_BEGIN_ALLOW_THREADS
    wrong = seal_all(self->seal, span, &sealed);
    Py_END_ALLOW_THREADS
    if (wrong == NULL) return PyLong_FromSize_t(sealed);
    PyErr_SetString(PyExc_RuntimeError, wrong);
    return NULL;
}

/* seal(plain, first, frames, key, text, out): see `OneByOne.seal`. All of `plain` are so many frames. */
static PyObject *boxes_seal(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Span span;
    if (count_arguments(count, 6) < 0) return NULL;
    if (number(given[1], &span.first) < 0 || number(given[2], &span.frames) < 0) return NULL;
    if ((span.key = exactly(given[3], KEY, "a key")) == NULL) return NULL;
    if ((span.text = exactly(given[4], TEXT, "the text of nonces")) == NULL) return NULL;
    if (PyObject_GetBuffer(given[0], &span.plain, PyBUF_SIMPLE) < 0) return NULL;
    PyObject *sealed = NULL;
    if (PyObject_GetBuffer(given[5], &span.out, PyBUF_WRITABLE) == 0) {
        sealed = seal_span((Boxes *)self, &span);
        PyBuffer_Release(&span.out);
    }
    PyBuffer_Release(&span.plain);
    return sealed;
}

/* cut(plain, enough, most): how many frames, how far they go, and how many bytes are sent in their place.
   See `layout.lay_out`. */
static PyObject *boxes_cut(PyObject *Py_UNUSED(self), PyObject *const *given, Py_ssize_t count) {
    uint64_t enough, most, frames = 0, size = 0;
    Py_buffer plain;
    if (count_arguments(count, 3) < 0) return NULL;
    if (number(given[1], &enough) < 0 || number(given[2], &most) < 0) return NULL;
    if (PyObject_GetBuffer(given[0], &plain, PyBUF_SIMPLE) < 0) return NULL;
    size_t at = 0;
    while (size < enough && frames < most) {
        Frame frame;
        size_t taken = frame_at((const uint8_t *)plain.buf + at, (size_t)plain.len - at, &frame);
        if (taken == 0) break;
        at += taken, size += boxed(frame.size), frames++;
    }
    PyBuffer_Release(&plain);
    return Py_BuildValue("KnK", (unsigned long long)frames, (Py_ssize_t)at, (unsigned long long)size);
}

static int append(PyObject *list, size_t value) {
    PyObject *number = PyLong_FromSize_t(value);
    int failed = number == NULL || PyList_Append(list, number) < 0;
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

/* ends(plain): where each frame ends, in that and in what is sent. See `layout.lay_out`. */
static PyObject *boxes_ends(PyObject *Py_UNUSED(self), PyObject *given) {
    Py_buffer plain;
    if (PyObject_GetBuffer(given, &plain, PyBUF_SIMPLE) < 0) return NULL;
    PyObject *ends = PyList_New(0), *box_ends = PyList_New(0);
    int failed = ends == NULL || box_ends == NULL;
    size_t at = 0, size = 0, taken;
    Frame frame;
    while (!failed && (taken = frame_at((const uint8_t *)plain.buf + at, (size_t)plain.len - at, &frame))) {
        at += taken, size += boxed(frame.size);
        failed = append(ends, at) < 0 || append(box_ends, size) < 0;
    }
    PyBuffer_Release(&plain);
    PyObject *both = failed ? NULL : PyTuple_Pack(2, ends, box_ends);
    Py_XDECREF(ends);
    Py_XDECREF(box_ends);
    return both;
}

/* Boxes(address): of the function that seals. */
static PyObject *boxes_new(PyTypeObject *type, PyObject *given, PyObject *Py_UNUSED(named)) {
    unsigned long long address;
    if (!PyArg_ParseTuple(given, "K", &address)) return NULL;
    if (address == 0 || address > UINTPTR_MAX) {
        PyErr_SetString(PyExc_ValueError, "no function is there");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Boxes *self = (Boxes *)allocate(type, 0);
    if (self != NULL) self->seal = (Seal)(uintptr_t)address;
    return (PyObject *)self;
}

static void boxes_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

#define CALL(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"cut", CALL(boxes_cut), METH_FASTCALL, "Cut whole frames off the beginning."},
    {"ends", boxes_ends, METH_O, "Where each frame ends."},
    {"seal", CALL(boxes_seal), METH_FASTCALL, "Seal frames."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, boxes_new}, {Py_tp_dealloc, boxes_dealloc}, {Py_tp_methods, methods}, {0, NULL},
};

static PyType_Spec spec = {
    "fanout._boxes.Boxes", sizeof(Boxes), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots,
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "fanout._boxes", .m_doc = "Frames into boxes.", .m_size = -1,
};

static int fill(PyObject *module) {
    if (PyModule_AddStringConstant(module, "sources", SOURCES) < 0) return -1;
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

PyMODINIT_FUNC PyInit__boxes(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && fill(module) == 0) return module;
    Py_XDECREF(module);
    return NULL;
}
