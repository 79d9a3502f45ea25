/* SPDX-License-Identifier: Apache-2.0 */
/* The ring that the kernel side hands its records up in, and who empties it. Whoever samples may be away from it for long:
 * the tables of a large program take a second to read on a slow machine, and copies of stacks fill a ring in a tenth of
 * that. So a thread of its own looks after it, woken by the kernel once much waits, and takes the records aside into
 * memory, which has more room. While the sampler takes them itself in time it finds nothing, and mostly it sleeps. */
#include "base/buf.h"
#include "sample/sample_internal.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CAUGHT_LIMIT = 24 << 20,
    CAUGHT_MOST = 16 << 20, /* from here on the ring may fill */
    KEPT = 1 << 20,         /* room that is not given back */
    THREAD_STACK = 256 << 10,
};

/* The sampler, which the kernel has woken at the same time, is let go first; and what to wait where memory is full. */
static const struct timespec BEFORE = {.tv_nsec = 200000}, FULL = {.tv_nsec = 20000000};

struct osp_bpf_ring {
    struct ring_buffer *ring;
    pthread_t thread;
    bool has_thread, has_lock;
    int end_fd;           /* readable once the thread is to end */
    pthread_mutex_t lock; /* of the ring's reading end, and of what follows */
    osp_buf caught;       /* records, each behind its length, 8 bytes */
    uint64_t no_room;
    osp_buf taken; /* of the sampler alone: what it works off */
};

/* libbpf asks for it with each record. */
static int catch_one(void *ctx, void *data, size_t size)
{
    osp_bpf_ring *r = ctx;
    uint64_t n = size;
    char *to = osp_buf_room(&r->caught, sizeof n + size);
    if (to) {
        memcpy(to, &n, sizeof n);
        memcpy(to + sizeof n, data, size);
        r->caught.n += sizeof n + size;
    } else {
        r->caught.failed = false;
        r->no_room++;
    }
    return r->caught.n < CAUGHT_MOST ? 0 : -ENOSPC;
}

/* Under the lock; false if there is no more room. */
static bool catch_all(osp_bpf_ring *r)
{
    if (r->caught.n < CAUGHT_MOST)
        ring_buffer__consume(r->ring);
    return r->caught.n < CAUGHT_MOST;
}

static void *look_after(void *ring)
{
    osp_bpf_ring *r = ring;
    struct pollfd fd[2] = {{.fd = ring_buffer__epoll_fd(r->ring), .events = POLLIN},
                           {.fd = r->end_fd, .events = POLLIN}};
    for (;;) {
        if (poll(fd, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fd[1].revents)
            return NULL;
        nanosleep(&BEFORE, NULL);
        pthread_mutex_lock(&r->lock);
        bool room = catch_all(r);
        pthread_mutex_unlock(&r->lock);
        if (!room)
            nanosleep(&FULL, NULL);
    }
}

/* Without the thread the ring serves as well, as long as nothing takes long. */
static void start_thread(osp_bpf_ring *r)
{
    pthread_attr_t attr;
    sigset_t all, before;
    r->end_fd = eventfd(0, EFD_CLOEXEC);
    if (r->end_fd < 0 || pthread_attr_init(&attr) != 0)
        return;
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    sigfillset(&all); /* they are for the thread that samples */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r->has_thread = pthread_create(&r->thread, &attr, look_after, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

osp_bpf_ring *osp_bpf_ring_open(int map_fd)
{
    osp_bpf_ring *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->end_fd = -1;
    r->caught = osp_buf_of(CAUGHT_LIMIT);
    r->taken = osp_buf_of(CAUGHT_LIMIT);
    r->has_lock = pthread_mutex_init(&r->lock, NULL) == 0;
    r->ring = ring_buffer__new(map_fd, catch_one, r, NULL);
    if (!r->has_lock || !r->ring) {
        int e = errno;
        osp_bpf_ring_close(r);
        errno = e;
        return NULL;
    }
    start_thread(r);
    return r;
}

void osp_bpf_ring_close(osp_bpf_ring *r)
{
    if (!r)
        return;
    const uint64_t one = 1;
    if (r->has_thread && write(r->end_fd, &one, sizeof one) == sizeof one)
        pthread_join(r->thread, NULL);
    osp_close_fd(&r->end_fd);
    ring_buffer__free(r->ring);
    if (r->has_lock)
        pthread_mutex_destroy(&r->lock);
    osp_buf_drop(&r->caught);
    osp_buf_drop(&r->taken);
    free(r);
}

int osp_bpf_ring_poll(const osp_bpf_ring *r) { return ring_buffer__epoll_fd(r->ring); }

void osp_bpf_ring_take(osp_bpf_ring *r, void (*each)(void *ctx, const void *record, size_t size), void *ctx)
{
    pthread_mutex_lock(&r->lock);
    catch_all(r);
    osp_buf caught = r->caught;
    r->caught = r->taken;
    pthread_mutex_unlock(&r->lock);
    for (size_t at = 0; at < caught.n;) {
        uint64_t size;
        memcpy(&size, caught.p + at, sizeof size);
        each(ctx, caught.p + at + sizeof size, size);
        at += sizeof size + size;
    }
    caught.n = 0;
    if (caught.cap > KEPT) {
        osp_buf_drop(&caught);
        caught = osp_buf_of(CAUGHT_LIMIT);
    }
    r->taken = caught;
}

uint64_t osp_bpf_ring_lost(osp_bpf_ring *r)
{
    pthread_mutex_lock(&r->lock);
    uint64_t n = r->no_room;
    pthread_mutex_unlock(&r->lock);
    return n;
}
