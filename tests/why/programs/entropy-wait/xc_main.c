/* SPDX-License-Identifier: Apache-2.0 */
/* Threads ask for random numbers and wait. A kernel that has enough of them is kept from answering by a filter whose other end
 * says nothing. */
#include "xc_status.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

static int xc_hold(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
}

static __attribute__((noinline)) int xc_key(unsigned char *key, size_t n) { return (int)getrandom(key, n, 0); }

static void *xc_session(void *arg)
{
    unsigned char key[32];
    (void)arg;
    while (xc_key(key, sizeof key) > 0) {
        xc_units++;
        usleep(5000);
    }
    return NULL;
}

int main(void)
{
    pthread_t t;
    xc_started();
    if (P_blocked && xc_hold() < 0)
        return 1;
    for (int i = 0; i < P_threads; i++)
        pthread_create(&t, NULL, xc_session, NULL);
    for (;;)
        sleep(1);
}
