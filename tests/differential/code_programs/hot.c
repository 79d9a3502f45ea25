/* SPDX-License-Identifier: Apache-2.0 */
/* A function with an inlined call in it, a leaf, and a caller. */
#include <stdio.h>
#include <string.h>
static inline unsigned long mix(unsigned long x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdUL;
    return x ^ x >> 29;
}
__attribute__((noinline)) unsigned long main_hot(const char *s, size_t n)
{
    unsigned long h = 0;
    for (size_t i = 0; i < n; i++)
        h = mix(h ^ (unsigned char)s[i]);
    return h;
}
__attribute__((noinline)) int main_leaf(int x) { return x * 31; }
int main(int argc, char **argv)
{
    unsigned long t = 0;
    for (int i = 0; i < 100; i++)
        t += main_hot(argv[0], strlen(argv[0])) + main_leaf(i);
    printf("%lu\n", t);
    return 0;
}
