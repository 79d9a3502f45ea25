/* SPDX-License-Identifier: Apache-2.0 */
/* Graphviz in a process of its own: its library keeps global state, calls exit() and takes as long as it likes. The
 * child sends one letter (D data, F failed, A absent) and then the picture. */
#include "base/file.h"
#include "draw/draw.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SECONDS = 30 };

/* What we call of libgvc and libcgraph, as their headers declare it. A length is an unsigned there, and a size_t in
 * newer releases. */
typedef struct {
    void *(*context)(void);
    void *(*read)(const char *dot);
    int (*layout)(void *context, void *graph, const char *engine);
    int (*render)(void *context, void *graph, const char *form, char **out, size_t *n);
} graphviz;

static void *open_one(const char *const *name)
{
    void *library = NULL;
    while (!library && *name)
        library = dlopen(*name++, RTLD_NOW | RTLD_GLOBAL);
    return library;
}

static bool find(void *library, const char *name, void *function)
{
    void *at = library ? dlsym(library, name) : NULL;
    memcpy(function, &at, sizeof at); /* a function's pointer, which C does not convert */
    return at;
}

static bool load(graphviz *g)
{
    static const char *const cgraph[] = {"libcgraph.so.6", "libcgraph.so.8", "libcgraph.so.7", NULL};
    static const char *const gvc[] = {"libgvc.so.6", "libgvc.so.7", NULL};
    void *graphs = open_one(cgraph), *drawing = open_one(gvc);
    return find(graphs, "agmemread", &g->read) && find(drawing, "gvContext", &g->context) &&
           find(drawing, "gvLayout", &g->layout) && find(drawing, "gvRenderData", &g->render);
}

static void send(int to, char letter, osp_str data)
{
    osp_err err = {0}; /* whoever reads has gone: nobody to tell */
    if (osp_write_fd(to, (osp_str){&letter, 1}, "pipe", &err) && osp_write_fd(to, data, "pipe", &err))
        _exit(0);
    _exit(1);
}

/* The child: never returns. */
static void draw(const char *dot, const char *form, int to)
{
    graphviz g;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CPU, &(struct rlimit){MOST_SECONDS + 10, MOST_SECONDS + 10});
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; nothing >= 0 && fd < 3; fd++)
        dup2(nothing, fd); /* its warnings about fonts are not for our reader */
    if (!load(&g))
        send(to, 'A', S(""));
    char *picture = NULL;
    size_t n = 0;
    void *context = g.context(), *graph = g.read(dot);
    if (!context || !graph || g.layout(context, graph, "dot") != 0 ||
        g.render(context, graph, form, &picture, &n) != 0 || !picture || n == 0)
        send(to, 'F', S(""));
    send(to, 'D', (osp_str){picture, n});
}

static int64_t milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Read all that the child sends. False if it takes too long. */
static bool receive(int from, osp_buf *in)
{
    const int64_t end = milliseconds() + MOST_SECONDS * 1000;
    for (;;) {
        int64_t left = end - milliseconds();
        struct pollfd p = {.fd = from, .events = POLLIN};
        if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
            return false;
        if (!p.revents)
            continue;
        char *room = osp_buf_room(in, 1 << 16);
        ssize_t got = room ? read(from, room, 1 << 16) : 0;
        if (got < 0 && errno != EINTR)
            return true; /* what came is judged by its first letter */
        if (got == 0)
            return true;
        in->n += got > 0 ? (size_t)got : 0;
    }
}

static bool judge(const osp_buf *in, bool in_time, osp_buf *out, osp_err *err)
{
    if (!in_time)
        return osp_fail(err, OSP_ELIMIT, "Graphviz took more than %d s", MOST_SECONDS);
    if (in->failed)
        return osp_fail_memory(err, "reading Graphviz's picture");
    if (in->n && in->p[0] == 'A')
        return osp_fail(err, OSP_EABSENT, "Graphviz's library (libgvc) is not here");
    if (in->n < 2 || in->p[0] != 'D')
        return osp_fail(err, OSP_EBUG, "Graphviz could not draw this graph");
    osp_buf_add(out, osp_str_skip(osp_buf_str(in), 1));
    return true;
}

bool osp_draw_by_graphviz(osp_str dot, const char *form, osp_buf *out, osp_err *err)
{
    int end[2];
    char *text = malloc(dot.n + 1);
    if (!text)
        return osp_fail_memory(err, "drawing");
    osp_str_z(dot, text, dot.n + 1);
    if (pipe2(end, O_CLOEXEC) < 0) {
        free(text);
        return osp_fail_errno(err, errno, "pipe");
    }
    pid_t child = fork();
    if (child == 0)
        draw(text, form, end[1]);
    const int why = errno;
    close(end[1]);
    free(text);
    if (child < 0) {
        close(end[0]);
        return osp_fail_errno(err, why, "fork");
    }
    osp_buf in = osp_buf_of(out->max);
    const bool in_time = receive(end[0], &in);
    close(end[0]);
    if (!in_time)
        kill(child, SIGKILL);
    int status, waited;
    do
        waited = waitpid(child, &status, 0);
    while (waited < 0 && errno == EINTR);
    if (in_time && in.n && in.p[0] == 'D' && waited == child && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        in.p[0] = 'F'; /* it died over its picture */
    bool ok = judge(&in, in_time, out, err);
    osp_buf_drop(&in);
    return ok;
}
