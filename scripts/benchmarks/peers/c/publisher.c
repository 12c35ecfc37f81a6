/* PUB of libzmq, lossless, without the cost of Python; how it is driven: ../rust/README.md. It takes one argument more,
 * the path of libzmq: that is loaded at run time, so that no header is needed and pyzmq's own library is what is measured. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SOCKETS = 2, IO_THREADS = 1, PUB = 1, SNDMORE = 2 };             /* zmq.h */
enum { LINGER = 17, BACKLOG = 19, SNDHWM = 23, LAST_ENDPOINT = 32, XPUB_NODROP = 69 };
enum { HWM = 1000, CONNECTING = 4096, SOCKETS = 65000 };                    /* as ../libzmq.py and ../base.py have them */

static int (*zmq_send)(void *, const void *, size_t, int);
static void *publisher;

static void *named(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

static void must(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

static void send_message(const char *topic, size_t topic_bytes, const char *payload, size_t payload_bytes)
{
    must(zmq_send(publisher, topic, topic_bytes, SNDMORE), "zmq_send");
    must(zmq_send(publisher, payload, payload_bytes, 0), "zmq_send");
}

static void bind_publisher(const char *path, int threads)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    void *(*ctx_new)(void) = named(library, "zmq_ctx_new");
    int (*ctx_set)(void *, int, int) = named(library, "zmq_ctx_set");
    void *(*new_socket)(void *, int) = named(library, "zmq_socket");
    int (*set)(void *, int, const void *, size_t) = named(library, "zmq_setsockopt");
    int (*get)(void *, int, void *, size_t *) = named(library, "zmq_getsockopt");
    int (*bind)(void *, const char *) = named(library, "zmq_bind");
    zmq_send = named(library, "zmq_send");

    void *context = ctx_new();
    must(ctx_set(context, IO_THREADS, threads), "zmq_ctx_set");
    must(ctx_set(context, MAX_SOCKETS, SOCKETS), "zmq_ctx_set");
    publisher = new_socket(context, PUB);
    const int options[][2] = {{XPUB_NODROP, 1}, {SNDHWM, HWM}, {BACKLOG, CONNECTING}, {LINGER, 0}};
    for (size_t one = 0; one < sizeof options / sizeof *options; one++)
        must(set(publisher, options[one][0], &options[one][1], sizeof(int)), "zmq_setsockopt");
    must(bind(publisher, "tcp://127.0.0.1:*"), "zmq_bind");

    char endpoint[64];
    size_t bytes = sizeof endpoint;
    must(get(publisher, LAST_ENDPOINT, endpoint, &bytes), "zmq_getsockopt");
    say(strrchr(endpoint, ':') + 1);
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fprintf(stderr, "SUBSCRIBERS PAYLOAD_BYTES THREADS LIBZMQ\n");
        return 2;
    }
    size_t payload_bytes = strtoul(arguments[2], NULL, 10), room = 0, topics = 0;
    char *payload = malloc(payload_bytes + 1), *line = NULL, *first = NULL;
    memset(payload, 'x', payload_bytes);
    if (getline(&first, &room, stdin) < 0)
        return 2;
    char **names = malloc((room / 2 + 1) * sizeof *names); /* a topic has a blank behind it */
    for (char *word = strtok(first, " \n"); word; word = strtok(NULL, " \n"))
        names[topics++] = word;
    bind_publisher(arguments[4], atoi(arguments[3]));

    for (room = 0; getline(&line, &room, stdin) >= 0; say("done")) {
        char *verb = strtok(line, " \n"), *word = strtok(NULL, " \n"), *text = strtok(NULL, " \n");
        if (verb && word && text && !strcmp(verb, "send")) {
            send_message(word, strlen(word), text, strlen(text));
        } else if (verb && word && !text && !strcmp(verb, "publish")) {
            size_t messages = strtoul(word, NULL, 10);
            for (size_t number = 0, next = 0; number < messages; number++, next = next + 1 < topics ? next + 1 : 0)
                send_message(names[next], strlen(names[next]), payload, payload_bytes);
        } else {
            fprintf(stderr, "no command\n");
            return 2;
        }
    }
    return 0;
}
