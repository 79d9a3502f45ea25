/* SPDX-License-Identifier: Apache-2.0 */
/* A block is kept beside many that are freed. */
#include "xc_status.h"
#include <stdlib.h>
#include <string.h>

struct xc_record {
    struct xc_record *next;
    char body[P_bytes];
};

static struct xc_record *xc_all;

static __attribute__((noinline)) struct xc_record *xc_note(int id)
{
    struct xc_record *r = malloc(sizeof *r);
    if (!r)
        return NULL;
    memset(r->body, id, sizeof r->body);
    r->next = xc_all;
    xc_all = r;
    return r;
}

static __attribute__((noinline)) int xc_parse(int id)
{
    char *copy = malloc(3000);
    if (!copy)
        return 0;
    memset(copy, id, 3000);
    int sum = copy[id % 3000];
    free(copy);
    return sum;
}

int main(void)
{
    xc_started();
    for (int i = 0;; i++) {
        for (int k = 0; k < 4; k++)
            xc_parse(i + k);
        xc_note(i);
        xc_units++;
        usleep(P_us);
    }
}
