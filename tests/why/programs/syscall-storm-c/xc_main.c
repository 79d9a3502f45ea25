/* SPDX-License-Identifier: Apache-2.0 */
/* Writes of one byte, or a value that never changes asked of the kernel each time. */
#define _GNU_SOURCE
#include "xc_status.h"
#include <fcntl.h>
#include <sys/syscall.h>

static __attribute__((noinline)) void xc_emit(int fd, const char *line)
{
    for (; *line; line++)
        if (write(fd, line, 1) != 1)
            return;
}

static __attribute__((noinline)) long xc_parent(void)
{
    long sum = 0;
    for (int i = 0; i < 100000; i++)
        sum += syscall(SYS_getppid);
    return sum;
}

int main(void)
{
    int fd = open("p_out.dat", O_RDWR | O_CREAT | O_TRUNC, 0600);
    xc_started();
    for (;;) {
        if (P_asks) {
            xc_parent();
        } else {
            lseek(fd, 0, SEEK_SET);
            for (int i = 0; i < 5000; i++)
                xc_emit(fd, "sample of a line\n");
        }
        xc_units++;
    }
}
