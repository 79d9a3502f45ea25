/* SPDX-License-Identifier: Apache-2.0 */
/* C with thread-locals of its own, so that Go's g does not sit at fs:-8. */
#include <unistd.h>

static __thread char block[100];
static __thread int count = 3;

void probe_rest(void);
int probe_touch(int i);

void probe_rest(void)
{
    for (;;)
        pause();
}

int probe_touch(int i)
{
    block[i % 100]++;
    return count += i;
}
