/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of known kinds and sizes. Alone (-DALONE) it is a program: it reads a line "KIND MB", takes so much of that kind,
 * touches all of it, and answers "done":
 *
 *     brk      malloc of small blocks on the first thread
 *     arenas   the same on four threads of their own, which then wait
 *     large    malloc of 1 MB blocks
 *     anon     mmap
 *     file     a file, mapped and read
 *     shared   a memfd
 *     stack    the stack of a thread, which then waits
 *     data     a static array, of 64 MB at most */
#define _GNU_SOURCE
#include "take.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MB = 1 << 20, SMALL = 1000, THREADS = 4 };
static char data[64 * MB];
static pthread_barrier_t begun;
static void *volatile last; /* so that nothing is optimised away */

static void small_blocks(size_t bytes)
{
    for (size_t n = 0; n + SMALL + 8 <= bytes; n += SMALL + 8) /* 8: malloc's own */
        last = memset(malloc(SMALL), 1, SMALL);
}

static void *in_arena(void *bytes)
{
    small_blocks((size_t)bytes);
    pthread_barrier_wait(&begun);
    return pause(), NULL;
}

static void *on_stack(void *bytes)
{
    last = memset(__builtin_alloca((size_t)bytes), 1, (size_t)bytes);
    pthread_barrier_wait(&begun);
    return pause(), NULL;
}

static void start(int n, size_t stack, void *(*run)(void *), size_t bytes)
{
    pthread_t t;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    if (stack)
        pthread_attr_setstacksize(&attr, stack);
    pthread_barrier_init(&begun, NULL, (unsigned)n + 1);
    for (int i = 0; i < n; i++)
        pthread_create(&t, &attr, run, (void *)bytes);
    pthread_barrier_wait(&begun);
}

static void map(int fd, size_t bytes, int flags)
{
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0)
        abort();
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    last = memset(p, 1, bytes);
}

int take(const char *kind, int mb)
{
    const size_t bytes = (size_t)mb * MB;
    if (!strcmp(kind, "brk"))
        small_blocks(bytes);
    else if (!strcmp(kind, "arenas"))
        start(THREADS, 0, in_arena, bytes / THREADS);
    else if (!strcmp(kind, "large"))
        for (int i = 0; i < mb; i++)
            last = memset(malloc(MB), 1, MB);
    else if (!strcmp(kind, "anon"))
        map(-1, bytes, MAP_PRIVATE | MAP_ANONYMOUS);
    else if (!strcmp(kind, "file"))
        map(fileno(tmpfile()), bytes, MAP_SHARED);
    else if (!strcmp(kind, "shared"))
        map(memfd_create("kept", 0), bytes, MAP_SHARED);
    else if (!strcmp(kind, "stack"))
        start(1, bytes + MB, on_stack, bytes);
    else if (!strcmp(kind, "data"))
        memset(data, 1, bytes);
    else
        return 0;
    return 1;
}

#ifdef ALONE
int main(void)
{
    char line[80], kind[40];
    int mb;
    while (fgets(line, sizeof line, stdin)) {
        puts(sscanf(line, "%39s %d", kind, &mb) == 2 && take(kind, mb) ? "done" : "what?");
        fflush(stdout);
    }
    return 0;
}
#endif
