/* SPDX-License-Identifier: Apache-2.0 */
/* A process with much memory forks a helper for each small job. */
#include "xc_status.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static __attribute__((noinline)) int xc_run(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

int main(void)
{
    size_t size = (size_t)P_mb << 20;
    char *data = malloc(size);
    if (!data)
        return 1;
    memset(data, 1, size);
    xc_started();
    for (;;) {
        if (xc_run() < 0)
            return 1;
        xc_units++;
        usleep(P_us);
    }
}
