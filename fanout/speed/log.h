/* Log: the memory of a log, and how far may be written. Twin: `LogWriter`.

   All words are native, aligned and stored whole. The order of stores is that of
   `LogWriter.append`: poison, bytes, index, HEAD; then the look at who sleeps, behind a barrier. */

#pragma once

#include "objects.h"

enum { NUMBER = 16, PLACE_MASK = (1 << 21) - 1 }; /* bytes of `numbered_log.NUMBER`; of an id */
/* Of a usual message; flags of a frame; bytes of the header of a long one. */
enum { FRAMES_MAX = 16, PIECES_MAX = 2 * FRAMES_MAX, MORE = 1, LONG = 2, LONG_HEADER = 9 };

enum { HEAD, POISON, SLEEPERS, ENDS, TOPICS, LAST, DATA, AREAS }; /* of a log, in words */

typedef struct {
    PyObject_HEAD
    Py_buffer held[AREAS];
    uint64_t *at[AREAS];
    uint64_t mask, size; /* entries less one; bytes of data */
    uint64_t places;     /* of which the last message is noted */
    unsigned long long position_limit, sequence_limit;
    unsigned long long epoch; /* which each message ends in, with its number; 0 = none does */
} Log;

/* What a message is made of: bytes of objects that somebody else holds, and so its topic. */
typedef struct {
    PyObject *topic;
    uint64_t size;
    int count;
    struct {
        const char *bytes;
        size_t size;
    } pieces[PIECES_MAX];
    char headers[FRAMES_MAX][LONG_HEADER]; /* of frames that are longer than those in the tables */
} Message;

static void add_piece(Message *message, const char *bytes, size_t size) {
    int last = message->count++;
    message->pieces[last].bytes = bytes, message->pieces[last].size = size;
    message->size += size;
}

/* All areas, in their order. Where no last messages are kept, that area is a word for nobody. */
static PyObject *log_share(PyObject *object, PyObject *areas) {
    Log *self = (Log *)object;
    if (Py_SIZE(areas) != AREAS) return mistake("a log has seven areas");
    for (int i = 0; i < AREAS; i++)
        if (share_words(PyTuple_GetItem(areas, i), &self->held[i]) < 0) return NULL;
    uint64_t entries = (uint64_t)self->held[ENDS].len / sizeof(uint64_t);
    if (entries & (entries - 1) || self->held[TOPICS].len != self->held[ENDS].len) {
        PyErr_SetString(PyExc_ValueError, "the index must have 2**n entries, and two words for each");
        return NULL;
    }
    for (int i = 0; i < AREAS; i++) self->at[i] = self->held[i].buf;
    self->mask = entries - 1, self->size = (uint64_t)self->held[DATA].len;
    self->places = (uint64_t)self->held[LAST].len / sizeof(uint64_t);
    return Py_NewRef(Py_None);
}

static void log_dealloc(PyObject *object) {
    for (int i = 0; i < AREAS; i++) PyBuffer_Release(&((Log *)object)->held[i]);
    free_object(object);
}

static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static void store(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* Copies bytes to an offset of the log, around its end; returns the offset behind them.
   Twin: `LogWriter._write`. */
static uint64_t write_bytes(const Log *log, uint64_t offset, const void *bytes, uint64_t size) {
    uint64_t room = log->size - offset, first = size < room ? size : room;
    memcpy((char *)log->at[DATA] + offset, bytes, first);
    if (first == size) return offset + size;
    memcpy(log->at[DATA], (const char *)bytes + first, size - first);
    return size - first;
}

/* Twin: `NumberedLog._numbered`. */
static void write_number(const Log *log, uint64_t sequence, uint64_t end) {
    unsigned char number[NUMBER];
    for (int i = 0; i < NUMBER; i++)
        number[i] = (unsigned char)((i < 8 ? log->epoch : sequence) >> (56 - 8 * (i % 8)));
    write_bytes(log, (end - NUMBER) % log->size, number, NUMBER);
}

/* Notes where the message of this number ends, and the id of its topic.
   Twins: `LogWriter.append` between bytes and HEAD, `ValuedLog.append`. */
static void write_entry(const Log *log, uint64_t sequence, uint64_t end, uint64_t id) {
    if (log->epoch != 0) write_number(log, sequence, end);
    store(log->at[ENDS] + (sequence & log->mask), end);
    store(log->at[TOPICS] + (sequence & log->mask), id);
    if ((id & PLACE_MASK) < log->places) store(log->at[LAST] + (id & PLACE_MASK), sequence);
}

/* Raises the flag for so many bytes and messages; returns whether there is room for them, and it was
   down. Twin: `LogWriter.append`, at its beginning. */
static int begin(const Log *log, uint64_t size, uint64_t count, uint64_t *head,
                 uint64_t *position) {
    *head = *log->at[HEAD];
    *position = log->at[ENDS][(*head - 1) & log->mask];
    if (*log->at[POISON] != *head || size > log->size || *position + size > log->position_limit ||
        *head + count > log->sequence_limit || (log->epoch != 0 && size < count * NUMBER))
        return 0;
    store(log->at[POISON], *head + count);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the flag is seen up before any byte */
    return 1;
}

/* Everything before it is seen before it, and it before the look at who sleeps. */
static void store_head(const Log *log, uint64_t head) {
    __atomic_store_n(log->at[HEAD], head, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Commits one message. Twin: `LogWriter.append`. Returns 1; or 0 with nothing changed. */
static int commit(const Log *log, const Message *message, uint64_t *sequence) {
    uint64_t end, id = get_id(message->topic);
    if (!begin(log, message->size, 1, sequence, &end)) return 0;
    uint64_t offset = end % log->size;
    for (int i = 0; i < message->count; i++)
        offset = write_bytes(log, offset, message->pieces[i].bytes, message->pieces[i].size);
    write_entry(log, *sequence, end + message->size, id);
    store_head(log, *sequence + 1);
    return 1;
}
