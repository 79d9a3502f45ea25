/* SPDX-License-Identifier: Apache-2.0 */
/* A healthy twin: matrix products in two threads. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { N = 96 };
struct matrices {
    double a[N][N], b[N][N], c[N][N];
};

static __attribute__((noinline, noclone)) void multiply(struct matrices *m)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++)
                sum += m->a[i][k] * m->b[k][j];
            m->c[i][j] = sum;
        }
}

static void *work(void *arg)
{
    (void)arg;
    static _Thread_local struct matrices m;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            m.a[i][j] = i + j;
            m.b[i][j] = i - j;
        }
    for (;;) {
        multiply(&m);
        __asm__ volatile("" ::: "memory");
    }
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&t[i], NULL, work, NULL))
            return 1;
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    pthread_join(t[0], NULL);
}
