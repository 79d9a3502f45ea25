/* SPDX-License-Identifier: Apache-2.0 */
/* A program started by us, held just before its exec, so that whoever watches it is ready from its first instruction. */
#include "base/file.h"
#include "cli/cli_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(char **argv, int go, int status)
{
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* if we die while it waits */
    while (read(go, &byte, 1) < 0 && errno == EINTR)
        ;
    prctl(PR_SET_PDEATHSIG, 0);
    signal(SIGXFSZ, SIG_DFL); /* we ignore it; the program starts as from a shell */
    execvp(argv[0], argv);
    int e = errno;
    if (write(status, &e, sizeof e) != sizeof e)
        _exit(126);
    _exit(127);
}

bool osp_launch_start(char **argv, osp_launch *out, osp_err *err)
{
    int go[2], status[2];
    *out = (osp_launch){.go = -1, .status = -1, .name = argv[0]};
    if (pipe2(go, O_CLOEXEC) != 0)
        return osp_fail_errno(err, errno, "starting %s", argv[0]);
    if (pipe2(status, O_CLOEXEC) != 0) {
        close(go[0]);
        close(go[1]);
        return osp_fail_errno(err, errno, "starting %s", argv[0]);
    }
    int pid = fork();
    if (pid == 0) {
        close(go[1]);
        close(status[0]);
        child(argv, go[0], status[1]);
    }
    int e = errno;
    close(go[0]);
    close(status[1]);
    if (pid < 0) {
        close(go[1]);
        close(status[0]);
        return osp_fail_errno(err, e, "starting %s", argv[0]);
    }
    out->pid = pid;
    out->go = go[1];
    out->status = status[0];
    return true;
}

bool osp_launch_release(void *launch, osp_err *err)
{
    osp_launch *l = launch;
    int e = 0;
    ssize_t n;
    if (write(l->go, "g", 1) != 1)
        return osp_fail_errno(err, errno, "starting %s", l->name);
    osp_close_fd(&l->go);
    do /* closed by a successful exec */
        n = read(l->status, &e, sizeof e);
    while (n < 0 && errno == EINTR);
    osp_close_fd(&l->status);
    return n != sizeof e || osp_fail_errno(err, e, "cannot run %s", l->name);
}

int osp_launch_end(osp_launch *l, bool wait)
{
    int status = -1;
    bool released = l->go < 0;
    osp_close_fd(&l->go);
    osp_close_fd(&l->status);
    if (l->pid > 0 && !released)
        kill(l->pid, SIGKILL);
    if (l->pid > 0 && (wait || !released))
        while (waitpid(l->pid, &status, 0) < 0 && errno == EINTR)
            ;
    l->pid = 0;
    return status;
}
