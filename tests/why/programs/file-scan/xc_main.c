/* SPDX-License-Identifier: Apache-2.0 */
/* Records all over a large file are read. Nothing of it is on a disk, so that only the page cache counts. */
#include "xc_status.h"
#include <fcntl.h>

enum { PAGE = 4096, AT_ONCE = 20000 };

static __attribute__((noinline)) unsigned long xc_scan(int fd, unsigned long *seed)
{
    unsigned char record[64];
    unsigned long sum = 0;
    for (int i = 0; i < AT_ONCE; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        off_t page = (off_t)((*seed >> 33) % ((unsigned long)P_mb << 8));
        if (pread(fd, record, sizeof record, page * PAGE) > 0)
            sum += record[i % 64];
    }
    return sum;
}

int main(void)
{
    int fd = open("p_table.dat", O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)P_mb << 20))
        return 1;
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    unsigned long seed = 1;
    xc_started();
    for (;;) {
        xc_scan(fd, &seed);
        xc_units++;
    }
}
