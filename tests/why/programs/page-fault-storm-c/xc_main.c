/* SPDX-License-Identifier: Apache-2.0 */
/* A large block is allocated, touched and freed in a loop; malloc maps it anew each time. */
#include "xc_status.h"
#include <stdlib.h>
#include <sys/mman.h>

static __attribute__((noinline)) long xc_scratch(size_t size)
{
    volatile char *b = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b == MAP_FAILED)
        return 0;
    for (size_t i = 0; i < size; i += 4096)
        b[i] = (char)i;
    long sum = b[0];
    munmap((void *)b, size);
    return sum;
}

int main(void)
{
    xc_started();
    for (;;) {
        xc_scratch((size_t)P_mb << 20);
        xc_units++;
    }
}
