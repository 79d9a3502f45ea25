/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads that live shortly. Each burns CPU time in spin_some(), called from burn().
 *
 *     births spin MS              itself, MS ms of CPU time
 *     births children N MS        N children one after the other, forked without exec
 *     births execs N MS           N children that exec this program again
 *     births unlinked N MS        the same from a copy of this program that is deleted once it runs
 *     births threads N MS         N threads one after the other
 *     births wait FILE            until FILE is there, then spin 1000
 *
 * Truth: the last line, "truth SECONDS": CPU time of this process and of all children, as the kernel counted it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

__attribute__((noinline)) static unsigned spin_some(unsigned x)
{
    for (int i = 0; i < 20000; i++)
        x = x * 1664525u + 1013904223u;
    return x;
}

__attribute__((noinline)) static unsigned burn(double ms)
{
    unsigned x = 1;
    double end = now(CLOCK_THREAD_CPUTIME_ID) + ms;
    while (now(CLOCK_THREAD_CPUTIME_ID) < end)
        x = spin_some(x);
    return x;
}

static void *thread(void *ms) { return burn(*(double *)ms) == 42 ? ms : NULL; }

static void exec_self(const char *self, const char *ms)
{
    execl(self, self, "spin", ms, (char *)NULL);
    _exit(127);
}

/* A copy of this program under a name of its own. */
static void copy_self(char name[64])
{
    static char block[65536];
    strcpy(name, "/tmp/births-XXXXXX");
    FILE *in = fopen("/proc/self/exe", "rb");
    int fd = mkstemp(name);
    FILE *out = fdopen(fd, "wb");
    for (size_t n; in && out && (n = fread(block, 1, sizeof block, in)) > 0;)
        fwrite(block, 1, n, out);
    fchmod(fd, 0755);
    fclose(out);
    fclose(in);
}

static void one_child(const char *how, double ms, const char *text)
{
    char copy[64] = "";
    if (strcmp(how, "unlinked") == 0)
        copy_self(copy);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0 && strcmp(how, "children") == 0)
        _exit(burn(ms) == 42);
    if (pid == 0)
        exec_self(copy[0] ? copy : "/proc/self/exe", text);
    close(ready[1]);
    char byte;
    if (copy[0] && read(ready[0], &byte, 1) == 0) /* closed by the exec */
        unlink(copy);
    close(ready[0]);
    waitpid(pid, NULL, 0);
}

static double seconds(int who)
{
    struct rusage r;
    getrusage(who, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    const char *how = argc > 2 ? argv[1] : "spin", *last = argc > 2 ? argv[argc - 1] : "100";
    int n = argc > 3 ? atoi(argv[2]) : 1;
    double ms = atof(last);
    if (strcmp(how, "wait") == 0) {
        printf("ready\n");
        fflush(stdout);
        while (access(last, F_OK) != 0)
            usleep(2000);
        how = "spin";
        ms = 1000;
    }
    for (int i = 0; i < n; i++) {
        pthread_t t;
        if (strcmp(how, "threads") == 0 && pthread_create(&t, NULL, thread, &ms) == 0)
            pthread_join(t, NULL);
        else if (strcmp(how, "spin") == 0)
            burn(ms);
        else
            one_child(how, ms, last);
    }
    printf("truth %.6f\n", seconds(RUSAGE_SELF) + seconds(RUSAGE_CHILDREN));
    return 0;
}
