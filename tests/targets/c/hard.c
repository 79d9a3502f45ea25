// SPDX-License-Identifier: Apache-2.0

// What makes C stacks hard to walk, one a mode:
//
//	hard MODE        hard -list
//
// Truth: each mode computes in burn() (or in the C library) below work_MODE(), called by main; whoever runs on a stack
// or a thread of its own has own_stack() at its root instead.
#define _GNU_SOURCE
#include <alloca.h>
#include <ctype.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <ucontext.h>
#endif

#define NOINLINE __attribute__((noinline, noclone))

volatile unsigned long sink;

NOINLINE unsigned long burn(long n)
{
    unsigned long x = 88172645463325252ul;
    for (long i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

NOINLINE static unsigned long down(int n) { return n ? down(n - 1) * 3 + 1 : burn(20000); }
NOINLINE static void work_deep(void) { sink += down(500); }

// A prologue and an epilogue are nearly all that there is.
NOINLINE static long small(long a, long b, long c)
{
    char text[64];
    memset(text, (int)a, sizeof text);
    asm volatile("" : : "r"(text) : "memory", "rbx", "r12", "r13", "r14", "r15");
    return text[b & 63] + c;
}

NOINLINE static void work_prologues(void)
{
    for (long i = 0; i < 100000; i++)
        sink += (unsigned long)small(i, i, i);
}

NOINLINE static unsigned long vla(int n)
{
    char row[n], *more = alloca((size_t)n + 16);
    memset(row, n, (size_t)n);
    memset(more, 1, 16);
    return burn(200) + (unsigned char)row[n / 2] + (unsigned char)more[3];
}

NOINLINE static void work_alloca(void)
{
    for (int i = 1; i < 500; i++)
        sink += vla(i);
}

// The stack is realigned: the CFA is kept in memory.
NOINLINE static unsigned long realigned(int n, int a, int b, int c, int d, int e, int f, int g, int h)
{
    __attribute__((aligned(64))) unsigned char row[128];
    unsigned char *more = alloca((size_t)n + 1);
    memset(row, n, sizeof row);
    memset(more, n, (size_t)n + 1);
    asm volatile("" : : "r"(row), "r"(more) : "memory");
    return burn(100) + row[a & 127] + more[n] + (unsigned)(a + b + c + d + e + f + g + h);
}

NOINLINE static void work_realigned(void)
{
    for (int i = 0; i < 500; i++)
        sink += realigned(i, 1, 2, 3, 4, 5, 6, 7, i);
}

NOINLINE static void out(jmp_buf *j, int n)
{
    if (n) {
        out(j, n - 1);
        sink++; // not a tail call
        return;
    }
    sink = burn(100) | 1;
    if (sink) // it is
        longjmp(*j, 1);
}

NOINLINE static void work_longjmp(void)
{
    for (volatile int i = 0; i < 500; i++) {
        jmp_buf j;
        if (setjmp(j) == 0)
            out(&j, 20);
        sink += burn(100);
    }
}

#ifdef __GLIBC__ // musl has no contexts
static ucontext_t home, away[4];
static int turns;

NOINLINE static void own_stack(int which)
{
    while (turns++ < 2000) {
        sink += burn(300);
        swapcontext(&away[which], which == 3 ? &home : &away[which + 1]);
    }
}

NOINLINE static void work_contexts(void)
{
    static char stack[4][64 << 10];
    turns = 0;
    for (int i = 0; i < 4; i++) {
        getcontext(&away[i]);
        away[i].uc_stack.ss_sp = stack[i];
        away[i].uc_stack.ss_size = sizeof stack[i];
        away[i].uc_link = &home;
        makecontext(&away[i], (void (*)(void))own_stack, 1, i);
    }
    for (int i = 0; i < 200; i++) {
        sink += burn(300);
        swapcontext(&home, &away[0]);
    }
}
#endif

static int by_value(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

NOINLINE static void work_library(void)
{
    enum { N = 2000 };
    static int row[N];
    char text[256], *big = malloc(1 << 20);
    double d = 0;
    for (int i = 0; i < N; i++) {
        row[i] = i * 7919 % N;
        d += sin(i) + cos(i) + pow(1.01, i & 63) + exp(-i / 100.0) + log(i + 1);
        sink += (unsigned long)snprintf(text, sizeof text, "%d %g %s %ld", i, d, "word", (long)i * i);
        sink += strlen(text) + (strstr(text, "word") != NULL) + (unsigned long)strtod(text, NULL);
    }
    qsort(row, N, sizeof *row, by_value);
    memset(big, 1, 1 << 20);
    memmove(big + 1, big, (1 << 20) - 1);
    sink += (unsigned long)memcmp(big, big + 1, (1 << 20) - 1);
    free(big);
    for (int i = 0; i < 500; i++)
        free(malloc((size_t)i * 64));
}

NOINLINE static void work_clock(void)
{
    struct timespec t;
    struct timeval v;
    for (int i = 0; i < 10000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        gettimeofday(&v, NULL);
        sink += (unsigned long)t.tv_nsec + (unsigned long)v.tv_usec + (unsigned long)time(NULL);
    }
}

NOINLINE static void *own_thread(void *n) { return (void *)burn((long)n); }

NOINLINE static void work_threads(void)
{
    pthread_t t;
    for (int i = 0; i < 20; i++)
        if (pthread_create(&t, NULL, own_thread, (void *)100000) == 0)
            pthread_join(t, NULL);
}

static char alternate[64 << 10];

NOINLINE static void in_handler(int sig)
{
    sink += burn(2000);
    if (sig == SIGUSR1) // a handler in a handler
        raise(SIGUSR2);
}

NOINLINE static void work_signals(void)
{
    for (int i = 0; i < 200; i++) {
        struct sigaction a = {.sa_handler = in_handler, .sa_flags = i & 1 ? SA_ONSTACK : 0};
        sigaction(SIGUSR1, &a, NULL);
        a.sa_flags ^= SA_ONSTACK;
        sigaction(SIGUSR2, &a, NULL);
        raise(SIGUSR1);
        sink += burn(300);
    }
}

// The last instruction of stop() is a call: its return address is in the next function.
__attribute__((noreturn)) NOINLINE static void stop(jmp_buf *j)
{
    sink += burn(500);
    longjmp(*j, 1);
}
__attribute__((noreturn)) NOINLINE static void no_return(jmp_buf *j) { stop(j); }

NOINLINE static void work_noreturn(void)
{
    for (volatile int i = 0; i < 500; i++) {
        jmp_buf j;
        if (setjmp(j) == 0)
            no_return(&j);
    }
}

NOINLINE static void work_null(void);
static sigjmp_buf again;
static void (*volatile nowhere)(void);

NOINLINE static void on_fault(int sig)
{
    sink += burn(500) + (unsigned)sig;
    siglongjmp(again, 1);
}

NOINLINE static void jump(void)
{
    nowhere();
    sink++;
}

// A call through a null pointer, and the handler that follows it.
NOINLINE static void work_null(void)
{
    struct sigaction a = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &a, NULL);
    for (volatile int i = 0; i < 200; i++)
        if (sigsetjmp(again, 1) == 0)
            jump();
}

NOINLINE static void work_plt(void)
{
    for (int i = 0; i < 100000; i++)
        sink += (unsigned long)toupper(i & 127); // so small that its stub weighs as much
}

// dlopen and dlclose: the loader's own code; and a lazy binding each time.
NOINLINE static void work_loader(void)
{
    for (int i = 0; i < 20; i++) {
        void *h = dlopen("libm.so.6", RTLD_LAZY);
        sink += (unsigned long)dlsym(h ? h : RTLD_DEFAULT, "cos");
        if (h)
            dlclose(h);
    }
}

// A child that shares its parent's stack: the return address waits in a register.
NOINLINE static void work_vfork(void)
{
    for (int i = 0; i < 100; i++) {
        pid_t child = vfork();
        if (child == 0)
            _exit(0);
        if (child > 0)
            waitpid(child, NULL, 0);
        sink += burn(3000);
    }
}

static const struct {
    const char *name;
    void (*work)(void);
} modes[] = {
#ifdef __GLIBC__
    {"contexts", work_contexts},
#endif
    {"deep", work_deep},           {"prologues", work_prologues}, {"alloca", work_alloca},
    {"realigned", work_realigned}, {"longjmp", work_longjmp},     {"noreturn", work_noreturn},
    {"library", work_library},     {"clock", work_clock},         {"threads", work_threads},
    {"signals", work_signals},     {"null", work_null},           {"plt", work_plt},
    {"loader", work_loader},       {"vfork", work_vfork},
};

int main(int argc, char **argv)
{
    enum { N = sizeof modes / sizeof *modes };
    stack_t own = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&own, NULL);
    if (argc > 1 && strcmp(argv[1], "-list") == 0) {
        for (int i = 0; i < N; i++)
            puts(modes[i].name);
        return 0;
    }
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    for (;;)
        for (int i = 0; i < N; i++)
            if (argc < 2 || strcmp(argv[1], "all") == 0 || strcmp(argv[1], modes[i].name) == 0)
                modes[i].work();
}
