/* SPDX-License-Identifier: Apache-2.0 */

/* Matrix products on two threads. */
#include "xc_status.h"

enum { SIDE = P_side };
typedef double xc_matrix[SIDE][SIDE];

static __attribute__((noinline)) void xc_multiply(xc_matrix a, xc_matrix b, xc_matrix c)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            double sum = 0;
            for (int k = 0; k < SIDE; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

static xc_matrix xc_data[2][3];

static void *xc_worker(void *arg)
{
    xc_matrix *m = arg;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            m[0][i][j] = i + j;
            m[1][i][j] = i - j;
        }
    for (;;) {
        xc_multiply(m[0], m[1], m[2]);
        __sync_fetch_and_add(&xc_units, 1);
    }
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    xc_started();
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, xc_worker, xc_data[i]);
    pthread_join(t[0], NULL);
    return 0;
}
