/* SPDX-License-Identifier: Apache-2.0 */
/* pprof labels of goroutines, many at once: a stage reads what all of them need next.
 *
 *     since Go 1.24   g.labels -> {list, n}             list -> n pairs {key, value} of strings
 *     before          g.labels -> hmap                  hmap: count, u8 flags, u8 B, …, buckets at 16
 *                                                       bucket: 8 hash bytes, 8 keys, 8 values
 * A string is {bytes, n}. Of a map we read the one bucket that up to 8 labels take. */
#include "goruntime/goruntime.h"

#include <stdlib.h>

enum { PAIRS = OSP_GO_LABELS, BUCKET = 8 };

/* One goroutine's. */
struct job {
    uint64_t at; /* what the next stage reads */
    bool left;   /* there is something to be read */
    uint64_t head[3];
    uint64_t word[1 + 4 * PAIRS]; /* the list, or the bucket */
    unsigned n;
};

struct osp_labels_reader {
    osp_mem mem;
    bool slices;
    struct job job[OSP_LABELS_AT_ONCE];
    osp_piece piece[OSP_LABELS_AT_ONCE * 2 * PAIRS];
    uint16_t owner[OSP_LABELS_AT_ONCE * 2 * PAIRS];
    size_t npiece;
};

osp_labels_reader *osp_labels_reader_new(osp_mem mem, bool slices, osp_err *err)
{
    osp_labels_reader *r = calloc(1, sizeof *r);
    if (!r) {
        osp_fail_memory(err, "reading goroutines");
        return NULL;
    }
    r->mem = mem;
    r->slices = slices;
    return r;
}

void osp_labels_reader_drop(osp_labels_reader *r) { free(r); }

static void want(osp_labels_reader *r, size_t owner, uint64_t addr, void *dst, size_t n)
{
    r->owner[r->npiece] = (uint16_t)owner;
    r->piece[r->npiece++] = (osp_piece){addr, dst, n};
}

/* Read what is wanted. Whose piece cannot be read has failed. */
static void stage(osp_labels_reader *r, osp_labels_text *out)
{
    osp_err ignored; /* the goroutine has gone on: the caller looks again */
    for (size_t at = 0; at < r->npiece;) {
        at += osp_mem_read_many(&r->mem, r->piece + at, r->npiece - at, &ignored);
        if (at < r->npiece) {
            out[r->owner[at]].failed = true;
            r->job[r->owner[at++]].left = false;
        }
    }
    r->npiece = 0;
}

static void heads(osp_labels_reader *r, size_t n, size_t bytes, osp_labels_text *out)
{
    for (size_t i = 0; i < n; i++)
        if (r->job[i].left)
            want(r, i, r->job[i].at, r->job[i].head, bytes);
    stage(r, out);
}

static void find_lists(osp_labels_reader *r, size_t n, osp_labels_text *out)
{
    heads(r, n, 16, out);
    for (size_t i = 0; i < n; i++) {
        struct job *j = &r->job[i];
        j->n = j->head[1] < PAIRS ? (unsigned)j->head[1] : PAIRS;
        j->left = j->left && j->n;
        if (j->left)
            want(r, i, j->head[0], j->word + 1, j->n * 32);
    }
    stage(r, out);
}

static void find_buckets(osp_labels_reader *r, size_t n, osp_labels_text *out)
{
    heads(r, n, 8, out);
    for (size_t i = 0; i < n; i++) {
        r->job[i].at = r->job[i].head[0];
        r->job[i].left = r->job[i].left && r->job[i].at;
    }
    heads(r, n, 24, out);
    for (size_t i = 0; i < n; i++) {
        struct job *j = &r->job[i];
        j->n = BUCKET;
        j->left = j->left && j->head[0] && (j->head[1] >> 8 & 0xff) == 0 && j->head[2];
        if (j->left)
            want(r, i, j->head[2], j->word, 8 + BUCKET * 32);
    }
    stage(r, out);
}

/* The texts of one, behind each other in out->text; their bytes come with the next stage. */
static void lay_out(osp_labels_reader *r, size_t i, osp_labels_text *out)
{
    const struct job *j = &r->job[i];
    size_t key_step = r->slices ? 4 : 2, value_at = r->slices ? 2 : 2 * BUCKET;
    for (unsigned k = 0; k < j->n; k++) {
        const uint64_t *key = j->word + 1 + k * key_step, *value = key + value_at;
        if (key[1] == 0) /* a free place of a bucket */
            continue;
        uint16_t nkey = (uint16_t)(key[1] < OSP_GO_LABEL_KEY ? key[1] : OSP_GO_LABEL_KEY);
        uint16_t nvalue = (uint16_t)(value[1] < OSP_GO_LABEL_VALUE ? value[1] : OSP_GO_LABEL_VALUE);
        char *to = out->text + out->n;
        memcpy(to, &nkey, 2);
        memcpy(to + 2, &nvalue, 2);
        want(r, i, key[0], to + 4, nkey);
        if (nvalue)
            want(r, i, value[0], to + 4 + nkey, nvalue);
        out->n += 4u + nkey + nvalue;
    }
}

void osp_labels_read(osp_labels_reader *r, const uint64_t *at, size_t n, osp_labels_text *out)
{
    for (size_t i = 0; i < n; i++) {
        r->job[i] = (struct job){.at = at[i], .left = at[i] != 0};
        out[i].n = 0;
        out[i].failed = false;
    }
    if (r->slices)
        find_lists(r, n, out);
    else
        find_buckets(r, n, out);
    for (size_t i = 0; i < n; i++)
        if (r->job[i].left)
            lay_out(r, i, &out[i]);
    stage(r, out);
    for (size_t i = 0; i < n; i++)
        if (out[i].failed)
            out[i].n = 0;
}

bool osp_labels_next(osp_str *rest, osp_str *key, osp_str *value)
{
    uint16_t nkey, nvalue;
    if (rest->n < 4)
        return false;
    memcpy(&nkey, rest->p, 2);
    memcpy(&nvalue, rest->p + 2, 2);
    if (rest->n - 4 < (size_t)nkey + nvalue)
        return false;
    *key = (osp_str){rest->p + 4, nkey};
    *value = (osp_str){rest->p + 4 + nkey, nvalue};
    *rest = osp_str_skip(*rest, 4u + nkey + nvalue);
    return true;
}
