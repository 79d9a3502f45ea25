/* SPDX-License-Identifier: Apache-2.0 */
/* symbol.c: asks, for each distinct address of a profile, the object or the kernel's symbol table behind its mapping.
 *
 * Frames that a profile brought with it are kept, if nothing else is wished. Nothing is left without a name: what nobody
 * knows is called by its place in its file, which is the same from run to run, or in anonymous memory by its run address.
 * (Not so in pprof's way, where an unknown address stays one.) */
#include "symbol/symbol.h"

#include "target/target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_FRAMES = 200 };

typedef struct {
    bool tried, known;
    uint64_t bias; /* run address - file address */
} placed;

typedef struct {
    const osp_profile *p;
    const osp_symbol_sources *from;
    osp_symbol_stats stats;
    placed *placed;         /* by mapping id */
    osp_kallsyms *kallsyms; /* read when the first kernel address comes: reading it costs more than all else here */
    bool kallsyms_tried;
    osp_frame frame[MOST_FRAMES];
    char name[512];
} asker;

static osp_object *object_of(const asker *a, osp_mapping_id m)
{
    return m.i && m.i < a->from->nobject ? a->from->object[m.i] : NULL;
}

/* The file address of a run address in a mapping. Where no object tells, the offset in the file serves. */
static uint64_t file_addr(asker *a, osp_mapping_id id, uint64_t addr)
{
    const osp_mapping *m = &a->p->mappings.row[id.i];
    placed *at = &a->placed[id.i];
    osp_object *o = object_of(a, id);
    if (!at->tried) {
        osp_err ignored; /* an object that does not fit its mapping is as good as none */
        at->tried = true;
        bool is_whole = a->from->pprof_way && m->start == 0; /* made up: addresses are the file's own */
        at->known = o && (is_whole || osp_object_bias(o, m->start, m->offset, &at->bias, &ignored));
    }
    return at->known ? addr - at->bias : addr - m->start + m->offset;
}

/* The name of an address that has none: its place, or where its function begins if unwind data tells that, so that a
 * stripped function still is one function. */
static osp_frame_text placed_frame(asker *a, osp_mapping_id id, uint64_t addr)
{
    osp_str file = osp_str_base(osp_text(a->p, a->p->mappings.row[id.i].file));
    bool is_kernel = osp_str_eq(file, S("[kernel.kallsyms]"));
    uint64_t at = is_kernel ? addr : file_addr(a, id, addr), end;
    osp_object *o = object_of(a, id);
    int n;
    if (o && a->placed[id.i].known)
        osp_object_extent_at(o, at, &at, &end);
    if (is_kernel || file.n == 0 || osp_str_starts(file, S("[anon")) || osp_str_starts(file, S("//anon")))
        n = snprintf(a->name, sizeof a->name, "%s0x%" PRIx64, is_kernel ? "[kernel]+" : "", addr);
    else
        n = snprintf(a->name, sizeof a->name, "%.*s+0x%" PRIx64, (int)(file.n < 400 ? file.n : 400), file.p, at);
    osp_str name = {a->name, (size_t)n};
    return (osp_frame_text){.name = name, .linker_name = name};
}

/* "[kernel.kallsyms]_stext" too, with the symbol that perf related it to. */
static bool is_kernels(const osp_profile *p, osp_location_id at)
{
    osp_mapping_id id = p->locations.mapping[at.i];
    return osp_str_starts(osp_text(p, p->mappings.row[id.i].file), S("[kernel.kallsyms]"));
}

static int by_value(const void *pa, const void *pb)
{
    const uint64_t *x = pa, *y = pb;
    return (*x > *y) - (*x < *y);
}

/* The kernel's symbols, of the addresses in this profile alone. */
static osp_kallsyms *symbols_of_kernel(const osp_profile *p)
{
    osp_err ignored; /* without it kernel addresses stay numbers, and are counted */
    uint64_t *addr = calloc((size_t)p->locations.n + 1, sizeof *addr);
    size_t n = 0;
    for (uint32_t i = 0; addr && i < p->locations.n; i++)
        if (is_kernels(p, (osp_location_id){i}))
            addr[n++] = p->locations.addr[i];
    if (n)
        qsort(addr, n, sizeof *addr, by_value);
    osp_kallsyms *k = addr ? osp_kallsyms_open_for(addr, n, &ignored) : NULL;
    free(addr);
    return k;
}

static size_t frames_of_kernel(asker *a, uint64_t addr, osp_frame_text *out)
{
    osp_str name, module;
    uint64_t start;
    osp_err ignored; /* without it kernel addresses stay numbers, and are counted */
    if (a->from->kept && !a->kallsyms_tried)
        a->kallsyms = *a->from->kept;
    if (a->from->this_kernel && !a->kallsyms_tried && !a->kallsyms)
        a->kallsyms = a->from->kept ? osp_kallsyms_open(&ignored) : symbols_of_kernel(a->p);
    a->kallsyms_tried = true;
    if (!a->kallsyms || !osp_kallsyms_at(a->kallsyms, addr, &name, &module, &start) || name.n == 0)
        return 0;
    out[0] = (osp_frame_text){.name = name, .linker_name = name};
    return 1;
}

static size_t frames_of_jit(const asker *a, osp_mapping_id id, uint64_t addr, osp_frame_text *out)
{
    const osp_jit *j = a->from->jit && id.i < a->from->nobject ? a->from->jit[id.i] : NULL;
    osp_str name = j ? osp_jit_at(j, addr) : S("");
    out[0] = (osp_frame_text){.name = name, .linker_name = name};
    return name.n > 0;
}

static size_t frames_of_object(asker *a, osp_mapping_id id, uint64_t addr, osp_frame_text *out, size_t max)
{
    osp_object *o = object_of(a, id);
    uint64_t at = file_addr(a, id, addr);
    if (!o || !a->placed[id.i].known)
        return frames_of_jit(a, id, addr, out);
    if (a->from->names_only) {
        osp_symbol s;
        if (!osp_object_symbol_at(o, at, &s))
            return 0;
        out[0] = (osp_frame_text){.name = s.name, .linker_name = s.name};
        return 1;
    }
    size_t n = osp_object_frames(o, at, a->frame, max < MOST_FRAMES ? max : MOST_FRAMES);
    for (size_t i = 0; i < n; i++) {
        const osp_frame *f = &a->frame[i];
        osp_str name = a->from->pprof_way && f->linker_name.n ? f->linker_name : f->name;
        out[i] = (osp_frame_text){name, f->linker_name, f->file, f->line, f->start_line, f->column};
    }
    return n;
}

static size_t lines_of(void *ctx, osp_location_id at, osp_frame_text *out, size_t max)
{
    asker *a = ctx;
    const osp_profile *p = a->p;
    if ((p->locations.first[at.i + 1] > p->locations.first[at.i] && !a->from->again) || max == 0)
        return 0; /* the profile brought its own */
    osp_mapping_id id = p->locations.mapping[at.i];
    uint64_t addr = p->locations.addr[at.i];
    size_t n = is_kernels(p, at) ? frames_of_kernel(a, addr, out) : frames_of_object(a, id, addr, out, max);
    a->stats.locations++;
    bool is_named = n > 0 && out[n - 1].name.n > 0;
    if (is_named || a->from->pprof_way) {
        a->stats.unnamed += !is_named;
        return n;
    }
    /* A line without a function is still worth showing. */
    osp_frame_text place = placed_frame(a, id, addr);
    a->stats.unnamed++;
    if (n == 0)
        out[n++] = place;
    out[n - 1].name = out[n - 1].linker_name = place.name;
    return n;
}

osp_profile *osp_symbolise(const osp_profile *p, const osp_symbol_sources *from, osp_symbol_stats *stats,
                           osp_err *err)
{
    asker *a = calloc(1, sizeof *a);
    placed *by_mapping = calloc((size_t)p->mappings.n + 1, sizeof *by_mapping);
    osp_profile *named = NULL;
    if (a && by_mapping) {
        a->p = p;
        a->from = from;
        a->placed = by_mapping;
        named = osp_profile_with_lines(p, lines_of, a, err);
        *stats = a->stats;
        if (!a->from->kept)
            osp_kallsyms_close(a->kallsyms);
        else if (a->kallsyms)
            *a->from->kept = a->kallsyms;
    } else {
        osp_fail_memory(err, "naming addresses");
    }
    free(by_mapping);
    free(a);
    return named;
}
