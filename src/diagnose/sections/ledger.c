/* SPDX-License-Identifier: Apache-2.0 */
/* Where resident memory goes, before and after. Of very large processes it is not read: the kernel counts their pages for too
 * long. */
#include "diagnose/section.h"

#include <stdlib.h>

static void *begin(osp_watch *w);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_ledger = {.name = "ledger", .begin = begin, .end = end, .transfer = transfer};

enum { ARENA_LIMIT = 64 << 20, MOST_PIECES = 64 /* in which a file is mapped */ };
static const uint64_t most_resident = (uint64_t)16 << 30;

typedef struct {
    osp_arena arena;
    osp_ledger was;
} ledgers;

static void *begin(osp_watch *w)
{
    osp_err ignored; /* what cannot be read is not known */
    osp_usage usage;
    ledgers *l = osp_process_usage(w->process, &usage, &ignored) && usage.rss_bytes <= most_resident
                     ? calloc(1, sizeof *l)
                     : NULL;
    if (!l)
        return NULL;
    osp_arena_init(&l->arena, ARENA_LIMIT);
    if (osp_ledger_read(&w->image, w->go, &l->arena, &l->was, &ignored))
        return l;
    osp_arena_drop(&l->arena);
    free(l);
    return NULL;
}

static osp_str name_of(const osp_ledger_map *m)
{
    if (!m)
        return S("");
    return m->s.map.path.n ? osp_str_base(m->s.map.path) : S("anonymous");
}

/* The file that most resident pages are of; it may be mapped in pieces. */
static void largest_file(osp_facts *f, const osp_ledger *now)
{
    osp_ledger_fact *out = &f->ledger;
    osp_str best = S("");
    for (uint32_t i = 0; i < now->nmap; i++) {
        const osp_ledger_map *m = &now->map[i];
        uint64_t bytes = 0;
        if (m->kind != OSP_LEDGER_FILES || m->s.resident < out->file_bytes / MOST_PIECES)
            continue;
        for (uint32_t k = 0; k < now->nmap; k++)
            if (now->map[k].kind == OSP_LEDGER_FILES && osp_str_eq(now->map[k].s.map.path, m->s.map.path))
                bytes += now->map[k].s.resident;
        if (bytes > out->file_bytes) {
            out->file_bytes = bytes;
            best = m->s.map.path;
        }
    }
    out->file = osp_arena_str(f->arena, osp_str_base(best));
}

static void fill(osp_facts *f, ledgers *l, const osp_ledger *now)
{
    osp_ledger_fact *out = &f->ledger;
    osp_ledger_growth *grown;
    size_t n;
    *out = (osp_ledger_fact){.known = now->taken_ns > l->was.taken_ns,
                             .seconds = (double)(now->taken_ns - l->was.taken_ns) / 1e9,
                             .resident = now->resident,
                             .lazy_free = now->lazy_free,
                             .huge = now->huge,
                             .untouched = now->go_untouched,
                             .arenas = now->malloc.arenas,
                             .arenas_free = now->malloc.free_bytes,
                             .threads = now->threads};
    for (int i = 0; i < OSP_LEDGER_KINDS; i++) {
        out->was[i] = l->was.row[i].resident;
        out->now[i] = now->row[i].resident;
    }
    largest_file(f, now);
    if (osp_ledger_growth_of(&l->was, now, &l->arena, 1, &grown, &n) && n && grown[0].bytes > 0) {
        out->growing = osp_arena_str(f->arena, name_of(grown[0].now));
        out->growing_bytes = grown[0].bytes;
    }
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    ledgers *l = state;
    osp_ledger now;
    osp_err ignored;
    /* It may have mapped more meanwhile. */
    osp_image image;
    if (osp_process_image(w->process, &l->arena, &image, &ignored) &&
        osp_ledger_read(&image, w->go, &l->arena, &now, &ignored))
        fill(f, l, &now);
    osp_arena_drop(&l->arena);
    free(l);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_ledger_fact *l = &f->ledger;
    osp_arc(x, &l->known);
    osp_arc(x, &l->seconds);
    for (int i = 0; i < OSP_LEDGER_KINDS; i++) {
        osp_arc(x, &l->was[i]);
        osp_arc(x, &l->now[i]);
    }
    osp_arc(x, &l->resident);
    osp_arc(x, &l->lazy_free);
    osp_arc(x, &l->huge);
    osp_arc(x, &l->untouched);
    osp_arc(x, &l->arenas);
    osp_arc(x, &l->threads);
    osp_arc(x, &l->arenas_free);
    osp_arc(x, &l->file);
    osp_arc(x, &l->file_bytes);
    osp_arc(x, &l->growing);
    osp_arc(x, &l->growing_bytes);
}
