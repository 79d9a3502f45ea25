/* SPDX-License-Identifier: Apache-2.0 */

#include "xc_status.h"

static unsigned long xc_turns;

static __attribute__((noinline)) void xc_until(const struct timespec *deadline)
{
    struct timespec now;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        xc_turns++;
    } while (now.tv_sec < deadline->tv_sec);
}

int main(void)
{
    xc_started();
    for (;;) {
        struct timespec deadline;
        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += P_s;
        xc_until(&deadline);
        xc_units++;
    }
}
