/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that wait, each for one thing: waits SECONDS [FILE]. At the end each says what is true of it:
 *
 *     truth NAME outer=NS inner=NS cpu=NS wait=NS least=NS calls=N voluntary=N involuntary=N faults=N
 *
 * outer: from before its creation until after its end, as the creator sees it; inner: its function's own time; cpu: its
 * own clock; wait: time around the calls that wait; least: what these must have waited, by what they asked for. FILE is
 * for a thread that writes and syncs. `forever` sleeps from the start and never wakes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static volatile int over;
static sem_t ball;
static int pipe_fd[2];
static const char *file;

static long long now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void rest(long ns)
{
    struct timespec t = {0, ns};
    nanosleep(&t, NULL);
}

struct worker {
    const char *name;
    long long (*step)(void); /* one call that waits; what it must wait at least, in ns */
    long long begun, outer, inner, cpu, wait, least, calls;
    struct rusage use;
    pthread_t thread;
};

__attribute__((noinline)) static long long sleep_step(void)
{
    rest(3000000);
    return 3000000;
}

__attribute__((noinline)) static long long futex_step(void)
{
    sem_wait(&ball);
    return 0;
}

__attribute__((noinline)) static long long post_step(void)
{
    rest(2000000);
    sem_post(&ball);
    return 2000000;
}

__attribute__((noinline)) static long long read_step(void)
{
    char c;
    return read(pipe_fd[0], &c, 1) != 1;
}

__attribute__((noinline)) static long long write_step(void)
{
    rest(5000000);
    if (write(pipe_fd[1], "x", 1) != 1)
        abort();
    return 5000000;
}

__attribute__((noinline)) static long long epoll_step(void)
{
    static int fd = -1;
    struct epoll_event e;
    if (fd < 0)
        fd = epoll_create1(0);
    return epoll_wait(fd, &e, 1, 4) == 0 ? 4000000 : 0;
}

__attribute__((noinline)) static long long disk_step(void)
{
    static int fd = -1;
    static char block[65536];
    if (fd < 0)
        fd = open(file, O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (fd < 0 || pwrite(fd, block, sizeof block, 0) != sizeof block || fsync(fd) != 0)
        abort();
    return 0;
}

/* Two of these share CPU 0. */
__attribute__((noinline)) static long long burn_step(void)
{
    for (volatile int i = 0; i < 1000000; i++)
        ;
    return 0;
}

__attribute__((noinline)) static long long fault_step(void)
{
    enum { PAGES = 64 };
    char *p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i++)
        p[i * 4096] = 1;
    munmap(p, PAGES * 4096);
    rest(1000000);
    return 1000000;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    long long begun = now(CLOCK_MONOTONIC);
    pthread_setname_np(pthread_self(), w->name);
    if (w->step == burn_step) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(0, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    while (!over) {
        long long before = now(CLOCK_MONOTONIC);
        w->least += w->step();
        w->wait += now(CLOCK_MONOTONIC) - before;
        w->calls++;
    }
    getrusage(RUSAGE_THREAD, &w->use);
    w->cpu = now(CLOCK_THREAD_CPUTIME_ID);
    w->inner = now(CLOCK_MONOTONIC) - begun;
    return NULL;
}

static long long began_forever;

static void *wait_forever(void *arg)
{
    began_forever = now(CLOCK_MONOTONIC);
    pthread_setname_np(pthread_self(), "forever");
    pause();
    return arg;
}

int main(int argc, char **argv)
{
    static struct worker worker[] = {
        {.name = "sleep", .step = sleep_step}, {.name = "futex", .step = futex_step},
        {.name = "post", .step = post_step},   {.name = "read", .step = read_step},
        {.name = "write", .step = write_step}, {.name = "epoll", .step = epoll_step},
        {.name = "burn", .step = burn_step},   {.name = "burn2", .step = burn_step},
        {.name = "fault", .step = fault_step}, {.name = "disk", .step = disk_step},
    };
    enum { N = sizeof worker / sizeof worker[0] };
    pthread_t never;
    int n = argc > 2 ? N : N - 1;
    if (argc < 2 || sem_init(&ball, 0, 0) != 0 || pipe(pipe_fd) != 0)
        return 2;
    file = argv[2];
    long long begun = now(CLOCK_MONOTONIC);
    if (pthread_create(&never, NULL, wait_forever, NULL) != 0)
        return 1;
    for (int i = 0; i < n; i++) {
        worker[i].begun = now(CLOCK_MONOTONIC);
        if (pthread_create(&worker[i].thread, NULL, work, &worker[i]) != 0)
            return 1;
    }
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    double seconds = atof(argv[1]);
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
    over = 1;
    for (int i = 0; i < n; i++) {
        pthread_join(worker[i].thread, NULL);
        worker[i].outer = now(CLOCK_MONOTONIC) - worker[i].begun;
        sem_post(&ball);
        if (write(pipe_fd[1], "x", 1) != 1)
            return 1;
    }
    for (int i = 0; i < n; i++) {
        const struct worker *w = &worker[i];
        printf(
            "truth %s outer=%lld inner=%lld cpu=%lld wait=%lld least=%lld calls=%lld voluntary=%ld involuntary=%ld "
            "faults=%ld\n",
            w->name, w->outer, w->inner, w->cpu, w->wait, w->least, w->calls, w->use.ru_nvcsw, w->use.ru_nivcsw,
            w->use.ru_minflt + w->use.ru_majflt);
    }
    long long end = now(CLOCK_MONOTONIC);
    printf("truth forever outer=%lld inner=%lld\n", end - begun, end - began_forever);
    fflush(stdout);
    return 0;
}
