/* SPDX-License-Identifier: Apache-2.0 */
/* A sparse table in huge pages: a byte is used in each two megabytes. */
#include "xc_status.h"
#include <stdlib.h>
#include <sys/mman.h>

static __attribute__((noinline)) void xc_index(volatile char *table, size_t size)
{
    for (size_t at = 4096 * 3; at < size; at += 2 << 20)
        table[at]++;
}

int main(void)
{
    size_t size = (size_t)P_mb << 20;
    char *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED || madvise(table, size, MADV_HUGEPAGE))
        return 1;
    xc_index(table, size);
    xc_started();
    for (;;) {
        sleep(1);
        xc_index(table, size);
        xc_units++;
    }
}
