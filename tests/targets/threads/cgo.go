// SPDX-License-Identifier: Apache-2.0

//go:build cgo
// +build cgo

package main

/*
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <stdlib.h>
#include <unistd.h>

static int said[3];

static int own(void) { return (int)syscall(SYS_gettid); }

static void *c_waits(void *arg)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    pthread_setname_np(pthread_self(), "c-waits");
    __atomic_store_n(&said[0], own(), __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&lock);
    for (;;)
        pthread_cond_wait(&never, &lock);
    return arg;
}

static void *c_polls(void *arg)
{
    struct epoll_event e;
    int fd = epoll_create1(0);
    pthread_setname_np(pthread_self(), "c-polls");
    __atomic_store_n(&said[1], own(), __ATOMIC_SEQ_CST);
    for (;;)
        epoll_wait(fd, &e, 1, -1);
    return arg;
}

static void *c_receives(void *arg)
{
    int pair[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        abort();
    pthread_setname_np(pthread_self(), "c-receives");
    __atomic_store_n(&said[2], own(), __ATOMIC_SEQ_CST);
    while (recv(pair[0], &byte, 1, 0))
        ;
    return arg;
}

static int start(int which)
{
    void *(*const f[])(void *) = {c_waits, c_polls, c_receives};
    pthread_t t;
    if (pthread_create(&t, NULL, f[which], NULL))
        abort();
    while (!__atomic_load_n(&said[which], __ATOMIC_SEQ_CST))
        usleep(100);
    return said[which];
}

static void __attribute__((noinline)) c_pauses(void)
{
    for (;;)
        pause();
}

static volatile unsigned long c_count;
static void __attribute__((noinline)) c_burns(void)
{
    for (;;)
        c_count++;
}
*/
import "C"

func pauses() {
	own("pauses")
	C.c_pauses()
}

func burns() {
	own("burns")
	C.c_burns()
}

// others starts threads of C's: in pthread_cond_wait, epoll_wait and recv; and goroutines in calls of C that pause and burn.
func others() int {
	go pauses()
	go burns()
	go func() {
		for i, kind := range []string{"c-waits", "c-polls", "c-receives"} {
			said <- thread{Kind: kind, Tid: int(C.start(C.int(i)))}
		}
	}()
	return 5
}
