/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop; one descriptor is readable and nobody reads it. */
#include "xc_status.h"
#include <sys/epoll.h>
#include <sys/socket.h>

static int xc_pair[2], xc_timer[2];

static __attribute__((noinline)) void xc_loop(int epoll)
{
    struct epoll_event events[8];
    for (;;) {
        int n = epoll_wait(epoll, events, 8, 5000);
        for (int i = 0; i < n; i++) {
            char buf[64];
            if (events[i].data.fd == xc_timer[0] && read(xc_timer[0], buf, sizeof buf) > 0)
                xc_units++;
        }
    }
}

static void *xc_ticks(void *arg)
{
    (void)arg;
    for (;;) {
        usleep(100000);
        if (write(xc_timer[1], "t", 1) != 1)
            return NULL;
    }
}

int main(void)
{
    pthread_t t;
    int epoll = epoll_create1(0);
    if (epoll < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, xc_pair) || pipe(xc_timer))
        return 1;
    int fds[] = {xc_pair[0], xc_timer[0]};
    for (int i = 0; i < 2; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fds[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &e);
    }
    xc_started();
    pthread_create(&t, NULL, xc_ticks, NULL);
    if (P_hup)
        close(xc_pair[1]);
    else if (write(xc_pair[1], "data", 4) != 4)
        return 1;
    xc_loop(epoll);
    return 0;
}
