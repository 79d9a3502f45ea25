/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of glibc's malloc, known by what it writes at the begin of its mappings (malloc/arena.c, malloc/malloc.c; glibc 2.3
 * to 2.42, 64-bit):
 *
 *     heap of a further arena    begins at a multiple of 64 MiB: heap_info
 *                                0 ar_ptr (its arena: in its first heap, right behind heap_info), 8 prev heap or 0,
 *                                16 size in use, 24 size that can be written to; all whole pages
 *     first arena, from brk      chunks, one behind the other: 8 size | 1 if the one before is in use; sizes are multiples of
 *                                16, and the last one, the top, ends where the mapping does
 *     arena (malloc_state)       …, top, last_remainder, bins: 127 times a list's head, fd and bk, which stands for a chunk 16
 *                                bytes before it; an empty list points at itself
 *     free chunk                 8 size | flags, 16 fd, 24 bk
 *     large block                begins at a page: 0 prev_size (0, or padding), 8 size | 2 (IS_MMAPPED), whole pages */
#include "inspect/inspect_internal.h"

static const uint64_t HEAP_MOST = 64 << 20;
enum { PAGE = 4096, INFO_MOST = 256, BLOCKS_MOST = 1 << 20 };

static bool read_words(const osp_mem *mem, uint64_t addr, uint64_t *word, size_t n)
{
    osp_err ignored; /* it is not what we look for */
    return mem->read(mem->ctx, addr, word, n * sizeof *word, &ignored);
}

enum { BINS = 127, BEFORE_BINS = 20, FREE_READ = 8192 }; /* words; free chunks that are read of a process */

/* Of a chunk: its size, 0 if none stands there. */
static uint64_t size_of(const uint64_t *chunk)
{
    const uint64_t size = chunk[1] & ~(uint64_t)7;
    return size <= HEAP_MOST ? size : 0;
}

/* Where an arena's lists of free chunks begin, as a number of words, and the size of its top chunk, whose address stands two words
 * before them and which ends where a page does; 0: what stands there is no arena. Most of its lists are empty. */
static size_t bins_of(const osp_mem *mem, const uint64_t *word, uint64_t arena, uint64_t *top)
{
    for (size_t at = 4; at <= BEFORE_BINS; at++) {
        int empty = 0;
        uint64_t chunk[2];
        for (size_t i = 0; i < BINS; i++)
            empty += word[at + 2 * i] == arena + 8 * (at + 2 * i) - 16;
        if (empty <= BINS / 2 || word[at - 2] % 16 != 0 || !read_words(mem, word[at - 2], chunk, 2))
            continue;
        *top = size_of(chunk);
        if (*top && (word[at - 2] + *top) % PAGE == 0)
            return at;
    }
    return 0;
}

/* What of an arena is in chunks that were freed, the top one among them. Those that threads keep for themselves (tcache) count as
 * used, for malloc as well. */
static uint64_t free_in(const osp_mem *mem, uint64_t arena, uint32_t *read)
{
    uint64_t word[BEFORE_BINS + 2 * BINS], chunk[3], sum = 0;
    const size_t bins =
        read_words(mem, arena, word, sizeof word / sizeof *word) ? bins_of(mem, word, arena, &sum) : 0;
    if (bins == 0)
        return 0;
    for (size_t i = 0; i < BINS; i++) {
        const uint64_t head = arena + 8 * (bins + 2 * i) - 16;
        for (uint64_t at = word[bins + 2 * i]; at != head && *read < FREE_READ; at = chunk[2]) {
            ++*read;
            if (at % 16 != 0 || !read_words(mem, at, chunk, 3) || !size_of(chunk))
                break;
            sum += size_of(chunk);
        }
    }
    return sum;
}

/* How much of the memory at `at`, of which `most` bytes can be written to, is a heap of a further arena; 0: none. *first: it
 * is the arena's first one. */
static uint64_t heap_at(const osp_mem *mem, uint64_t at, uint64_t most, bool *first, uint64_t *arena)
{
    uint64_t w[4]; /* ar_ptr, prev, size, mprotect_size */
    if (!read_words(mem, at, w, 4) || w[0] % 16 != 0 || w[0] % HEAP_MOST < 32 || w[0] % HEAP_MOST > INFO_MOST ||
        w[1] % HEAP_MOST != 0 || w[2] == 0 || w[2] % PAGE != 0 || w[3] % PAGE != 0 || w[2] > w[3] ||
        w[3] > HEAP_MOST || w[3] > most)
        return 0;
    *first = w[0] - at < HEAP_MOST;
    *arena = w[0];
    return *first == (w[1] == 0) ? w[3] : 0;
}

size_t osp_malloc_heaps(const osp_mem *mem, uint64_t start, uint64_t end, osp_each_claim *each, void *ctx,
                        osp_ledger_malloc *m)
{
    size_t n = 0;
    const uint64_t rest = start % HEAP_MOST;
    for (uint64_t at = rest ? start + (HEAP_MOST - rest) : start; at >= start && at < end; at += HEAP_MOST) {
        bool first;
        uint64_t arena;
        const uint64_t bytes = heap_at(mem, at, end - at, &first, &arena);
        if (bytes == 0)
            continue;
        m->arenas += first;
        if (first)
            m->free_bytes += free_in(mem, arena, &m->free_read);
        m->heaps++;
        m->bytes += bytes;
        n++;
        each(ctx, at, at + bytes, OSP_LEDGER_C_ARENAS);
    }
    return n;
}

void osp_malloc_blocks(const osp_mem *mem, uint64_t start, uint64_t end, osp_each_claim *each, void *ctx,
                       osp_ledger_malloc *m)
{
    enum { FLAGS = 7, MMAPPED = 2 };
    uint64_t at = start, w[2];
    while (end - at >= PAGE && m->large < BLOCKS_MOST && read_words(mem, at, w, 2)) {
        const uint64_t size = w[1] & ~(uint64_t)FLAGS;
        if ((w[1] & FLAGS) != MMAPPED || w[0] >= PAGE || size == 0 || size % PAGE != 0 || size > end - at)
            break;
        m->large++;
        m->large_bytes += size;
        at += size;
    }
    if (at > start)
        each(ctx, start, at, OSP_LEDGER_C_LARGE);
}

bool osp_malloc_is_brk(const osp_mem *mem, uint64_t start, uint64_t end)
{
    enum { CHUNKS = 256, LEAST = 32 };
    uint64_t at = start, w[2];
    for (int i = 0; i < CHUNKS; i++) {
        if (end - at < LEAST || !read_words(mem, at, w, 2))
            return false;
        const uint64_t size = w[1] & ~(uint64_t)1;
        if (size % 16 != 0 || size < LEAST || size > end - at || (i == 0 && w[0] != 0))
            return false;
        at += size;
        if (at == end)
            return i > 0;
    }
    return true;
}
