/* SPDX-License-Identifier: Apache-2.0 */
/* The words of stacks, by the hash under which the kernel side names them (bpf/walk.h).
 *
 * Two generations: once the younger one is full, the older one goes, and all stacks count as new to the kernel side,
 * which sends them again. Samples on their way meanwhile still find their words in what is the older one then. */
#include "base/buf.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <stdlib.h>

enum { GENERATION_WORDS = 1 << 20 };

/* What of a sample's header belongs to its stack; the words follow. m, curg and goid are for stacks that were walked
 * here: the kernel side had not known the runtime. */
struct shape {
    uint16_t nkernel, nuser, nlabels, end;
    uint32_t fp_steps, nwords;
    uint64_t m, curg, goid;
};

enum { SHAPE_WORDS = sizeof(struct shape) / sizeof(uint64_t) };

struct generation {
    osp_index at; /* hash -> place in word[] */
    uint64_t *word;
    size_t n, cap;
};

struct osp_stack_words {
    struct generation young, old;
};

osp_stack_words *osp_stack_words_new(osp_err *err)
{
    osp_stack_words *s = calloc(1, sizeof *s);
    if (!s)
        osp_fail_memory(err, "starting to sample");
    return s;
}

static void drop(struct generation *g)
{
    osp_index_drop(&g->at);
    free(g->word);
    *g = (struct generation){0};
}

void osp_stack_words_drop(osp_stack_words *s)
{
    if (!s)
        return;
    drop(&s->young);
    drop(&s->old);
    free(s);
}

bool osp_stack_words_full(const osp_stack_words *s) { return s->young.n >= GENERATION_WORDS; }

void osp_stack_words_age(osp_stack_words *s)
{
    drop(&s->old);
    s->old = s->young;
    s->young = (struct generation){0};
}

bool osp_stack_words_put(osp_stack_words *s, const osp_raw_sample *head, const uint64_t *word, bool walked_here)
{
    struct generation *g = &s->young;
    void *array = g->word;
    size_t need = SHAPE_WORDS + head->nwords;
    if (!osp_grow(&array, &g->cap, g->n + need, sizeof *g->word))
        return false;
    g->word = array;
    struct shape shape = {
        head->nkernel, head->nuser, head->nlabels, head->end, head->fp_steps, head->nwords, 0, 0, 0};
    if (walked_here) {
        shape.m = head->m;
        shape.curg = head->curg;
        shape.goid = head->goid;
    }
    memcpy(g->word + g->n, &shape, sizeof shape);
    memcpy(g->word + g->n + SHAPE_WORDS, word, head->nwords * sizeof *word);
    if (!osp_index_put(&g->at, head->stack_hash, (uint32_t)g->n))
        return false;
    g->n += need;
    return true;
}

const uint64_t *osp_stack_words_find(const osp_stack_words *s, osp_raw_sample *head)
{
    const struct generation *g = &s->young;
    uint32_t at = osp_index_find(&g->at, head->stack_hash);
    if (at == UINT32_MAX) {
        g = &s->old;
        at = osp_index_find(&g->at, head->stack_hash);
    }
    if (at == UINT32_MAX)
        return NULL;
    struct shape shape;
    memcpy(&shape, g->word + at, sizeof shape);
    head->nkernel = shape.nkernel;
    head->nuser = shape.nuser;
    head->nlabels = shape.nlabels;
    head->end = shape.end;
    head->fp_steps = shape.fp_steps;
    head->nwords = shape.nwords;
    if (shape.m) {
        head->m = shape.m;
        head->curg = shape.curg;
        head->goid = shape.goid;
    }
    return g->word + at + SHAPE_WORDS;
}
