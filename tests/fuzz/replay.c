/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for libFuzzer in the ordinary test run: gives a fuzz target every file of its corpus, then the same file
 * cut short and with bits flipped, at places that are the same in every run. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { CUTS = 48, FLIPS = 96, LARGEST = 16 << 20 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* A block of exactly n bytes each time, so that a sanitizer sees the first byte read past it. */
static void feed(const uint8_t *bytes, size_t n, size_t flip_bit, bool flip)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        abort();
    if (n)
        memcpy(copy, bytes, n);
    if (flip)
        copy[flip_bit / 8] ^= (uint8_t)(1u << (flip_bit % 8));
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static bool replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = f ? malloc(LARGEST) : NULL;
    bool ok = bytes != NULL;
    if (ok) {
        size_t n = fread(bytes, 1, LARGEST, f);
        feed(bytes, n, 0, false);
        for (int i = 0; i < CUTS && n; i++)
            feed(bytes, n <= CUTS ? (size_t)i % n : (size_t)(next_random() % n), 0, false);
        for (int i = 0; i < FLIPS && n; i++)
            feed(bytes, n, (size_t)(next_random() % (n * 8)), true);
    }
    free(bytes);
    if (f)
        fclose(f);
    return ok;
}

int main(int argc, char **argv)
{
    unsigned files = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[4096];
        if (e->d_name[0] == '.' || (size_t)snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name) >= sizeof path)
            continue;
        if (!replay(path)) {
            fprintf(stderr, "%s: cannot be read\n", path);
            return 1;
        }
        files++;
    }
    closedir(dir);
    printf("%u files of %s, each also with %d cuts and %d flipped bits\n", files, argv[1], CUTS, FLIPS);
    return files ? 0 : 1;
}
