/* SPDX-License-Identifier: Apache-2.0 */
/* A socket that does not block is read in a loop; it says EAGAIN nearly each time. */
#include "xc_status.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

static __attribute__((noinline)) ssize_t xc_next(int fd, char *buf, size_t n)
{
    ssize_t got;
    do
        got = recv(fd, buf, n, MSG_DONTWAIT);
    while (got < 0 && errno == EAGAIN);
    return got;
}

static void *xc_pump(void *arg)
{
    char buf[512];
    while (xc_next(*(int *)arg, buf, sizeof buf) > 0)
        xc_units++;
    return NULL;
}

int main(void)
{
    int p[2];
    pthread_t t;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, p))
        return 1;
    xc_started();
    pthread_create(&t, NULL, xc_pump, &p[0]);
    for (;;) {
        usleep(P_ms * 1000);
        if (send(p[1], "one", 3, 0) != 3)
            return 1;
    }
}
