/* SPDX-License-Identifier: Apache-2.0 */
/* The machine while we looked: memory, swap, pressure; and who holds the process. */
#include "diagnose/section.h"

#include <stdlib.h>
#include <sys/utsname.h>

static void *begin(osp_watch *w);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_host = {.name = "host", .begin = begin, .end = end, .transfer = transfer};

_Static_assert((int)OSP_PRESSURES == (int)OSP_PRESSURE_KINDS, "cpu, memory, io");

typedef struct {
    double at_s;
    osp_host_state state;
} look;

static void *begin(osp_watch *w)
{
    look *l = calloc(1, sizeof *l);
    if (l) {
        osp_host_state_read(&l->state);
        l->at_s = osp_watch_elapsed(w);
    }
    return l;
}

static double rate(uint64_t from, uint64_t to, double seconds)
{
    return to > from ? (double)(to - from) / seconds : 0;
}

static double part(uint64_t from_us, uint64_t to_us, double seconds)
{
    return from_us == UINT64_MAX || to_us == UINT64_MAX ? -1 : rate(from_us, to_us, seconds) / 1e6;
}

static void fill_tracer(osp_watch *w, osp_facts *f)
{
    char name[16];
    f->host.tracer = osp_process_tracer(w->process);
    if (f->host.tracer) {
        osp_thread_name(f->host.tracer, f->host.tracer, name);
        f->host.tracer_name = osp_arena_str(f->arena, osp_str_from(name));
    }
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    look *was = state;
    osp_host_state is;
    struct utsname u;
    double s = osp_watch_elapsed(w) - was->at_s;
    osp_host_state_read(&is);
    const osp_host_state *b = &was->state;
    f->host = (osp_host_fact){.known = s > 0,
                              .memory = is.memory_bytes,
                              .available = is.available_bytes,
                              .swap = is.swap_bytes,
                              .swap_free = is.swap_free_bytes,
                              .load = is.load,
                              .thp = osp_arena_str(f->arena, osp_str_from(is.thp)),
                              .kernel = uname(&u) == 0 ? osp_arena_str(f->arena, osp_str_from(u.release)) : S("")};
    if (s > 0) {
        f->host.swap_in_per_s = rate(b->swap_in, is.swap_in, s);
        f->host.swap_out_per_s = rate(b->swap_out, is.swap_out, s);
        f->host.compact_stalls_per_s = rate(b->compact_stalls, is.compact_stalls, s);
        f->host.direct_reclaims_per_s = rate(b->direct_reclaims, is.direct_reclaims, s);
        for (int i = 0; i < OSP_PRESSURES; i++) {
            f->host.full[i] = part(b->full_us[i], is.full_us[i], s);
        }
    }
    fill_tracer(w, f);
    free(was);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_host_fact *h = &f->host;
    osp_arc(x, &h->known);
    osp_arc(x, &h->memory);
    osp_arc(x, &h->available);
    osp_arc(x, &h->swap);
    osp_arc(x, &h->swap_free);
    osp_arc(x, &h->load);
    osp_arc(x, &h->swap_in_per_s);
    osp_arc(x, &h->swap_out_per_s);
    osp_arc(x, &h->compact_stalls_per_s);
    osp_arc(x, &h->direct_reclaims_per_s);
    for (int i = 0; i < OSP_PRESSURES; i++) {
        osp_arc(x, &h->full[i]);
    }
    osp_arc(x, &h->thp);
    osp_arc(x, &h->kernel);
    osp_arc(x, &h->tracer);
    osp_arc(x, &h->tracer_name);
}
