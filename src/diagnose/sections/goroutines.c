/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines: a brief look at all of them when the observation begins, one list with stacks at its end, in groups. Those of the
 * list that the first look did not see were born meanwhile; those that have not left their thread since did nothing. */
#include "diagnose/section.h"

#include <stdlib.h>

static void *begin(osp_watch *w);
static void tick(osp_watch *w, void *state);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_goroutines = {
    .name = "goroutines", .of_core = true, .begin = begin, .tick = tick, .end = end, .transfer = transfer};

enum {
    FEW_LOOKED = 6000, /* that are looked at in between, too: a look is some milliseconds */
    GROUPS = 64,       /* that are kept */
    OBJECTS = 4,       /* of a group */
    HOLDERS = 128,     /* that are kept */
    FRAMES = 64,       /* of a stack */
    FEW = 20000,       /* goroutines whose stacks are looked through for what others wait on */
    MOST = 400000,     /* that are listed: a second of CPU */
    ARENA_LIMIT = 512 << 20,
};

static const double LOOK_S = 0.25; /* between looks */

/* ---- brief looks ---------------------------------------------------------------------------------------------------- */

/* What tells whether a goroutine ran between two looks. */
typedef struct {
    uint64_t goid, sp;
    uint8_t status, waitreason, seq;
    float since_s, longest_s; /* when it was first seen to be so; the longest that it stood so */
} brief;

typedef struct {
    brief *g; /* by place in the runtime's list */
    uint32_t n;
    uint64_t goidgen; /* the runtime's counter of goroutines made, in steps of 16 a P; 0 = not known */
    double at_s;
} looks;

static bool each_look(void *ctx, uint32_t index, const osp_g_look *l)
{
    looks *k = ctx;
    if (index < k->n)
        k->g[index] = (brief){l->goid, l->sp, l->status, l->waitreason, l->seq, (float)k->at_s, 0};
    return false;
}

/* It did not run in between. */
static bool is_same(const brief *a, const brief *b)
{
    return a->goid == b->goid && a->sp == b->sp && a->status == b->status && a->waitreason == b->waitreason &&
           a->seq == b->seq;
}

static void read_counter(osp_watch *w, looks *k)
{
    const osp_mem mem = w->image.mem;
    osp_err ignored; /* then it is not known */
    uint64_t sched;
    /* goidgen has been the first field of runtime.schedt since Go 1.5: 32-bit machines need it aligned. */
    if (!osp_go_global(w->go, S("runtime.sched"), &sched) ||
        !mem.read(mem.ctx, sched, &k->goidgen, sizeof k->goidgen, &ignored))
        k->goidgen = 0;
}

static bool look(osp_watch *w, looks *k)
{
    osp_err ignored; /* then nothing is known */
    osp_g_table_stats stats;
    osp_g_table *t = osp_g_table_open(w->go, &ignored);
    *k = (looks){.at_s = osp_watch_elapsed(w)};
    bool ok = t && osp_g_table_grow(t, &k->n, &ignored) && k->n <= MOST && (k->g = calloc(k->n + 1u, sizeof *k->g)) &&
              osp_g_table_pass(t, UINT32_MAX, each_look, k, &stats, &ignored);
    read_counter(w, k);
    osp_g_table_close(t);
    return ok;
}

/* What is kept in between: the first look, and the last. */
typedef struct {
    looks first, last;
    double next_s;
} watching;

static void *begin(osp_watch *w)
{
    watching *k = w->inspect ? calloc(1, sizeof *k) : NULL;
    if (k && look(w, &k->first)) {
        k->next_s = LOOK_S;
        return k;
    }
    free(k ? k->first.g : NULL);
    free(k);
    return NULL;
}

/* Since when each of them is as it is: from the look before, if it has not changed. */
static void carry(const looks *was, looks *is)
{
    for (uint32_t i = 0; i < is->n && i < was->n; i++) {
        const brief *a = &was->g[i];
        brief *b = &is->g[i];
        if (is_same(a, b))
            b->since_s = a->since_s;
        float stood = (float)is->at_s - b->since_s;
        if (a->goid == b->goid)
            b->longest_s = a->longest_s > stood ? a->longest_s : stood;
    }
}

/* Where there are not many, looks in between tell how long each of them waits. */
static void tick(osp_watch *w, void *state)
{
    watching *k = state;
    looks now;
    if (k->first.n > FEW_LOOKED || osp_watch_elapsed(w) < k->next_s)
        return;
    k->next_s = osp_watch_elapsed(w) + LOOK_S;
    if (!look(w, &now)) {
        free(now.g);
        return;
    }
    carry(k->last.g ? &k->last : &k->first, &now);
    free(k->last.g);
    k->last = now;
}

static bool is_alive(const brief *b)
{
    return b->goid && b->status != OSP_G_IDLE && b->status != OSP_G_DEAD && b->status != OSP_G_DEADEXTRA;
}

/* ---- the list at the end ---------------------------------------------------------------------------------------------- */

typedef struct {
    osp_watch *w;
    osp_facts *f;
    const looks *was, *is;
    osp_goroutine_list list;
    osp_goroutine_groups groups;
    osp_group_waits *waits;
    uint32_t *group_of; /* by number in the list; UINT32_MAX = of none that is kept */
    osp_goroutine_fact *holder;
    uint32_t nholder;
} listing;

osp_call osp_call_of(const osp_facts *f, osp_str func, osp_str file, int32_t line)
{
    osp_call c = {.func = osp_arena_str(f->arena, func),
                  .file = osp_arena_str(f->arena, file),
                  .module = osp_str_base(f->process.exe),
                  .line = line,
                  .named = func.n > 0};
    c.kind = osp_call_kind_of(true, c.func, c.file, c.module);
    return c;
}

static osp_call call_of_spot(const osp_facts *f, const osp_spot *s)
{
    return s ? osp_call_of(f, s->func, s->file, s->line) : (osp_call){0};
}

static const brief *brief_of(const looks *k, const osp_goroutine *g)
{
    return g->order < k->n && k->g[g->order].goid == g->goid ? &k->g[g->order] : NULL;
}

static bool is_still(const listing *l, const osp_goroutine *g)
{
    const brief *was = brief_of(l->was, g), *is = brief_of(l->is, g);
    bool stands = is && (is->status == OSP_G_WAITING || is->status == OSP_G_SYSCALL || is->status == OSP_G_LEAKED);
    return was && stands && is_same(was, is);
}

/* Of one that runs: what it was seen to do most, else what it began with. */
static void copy_sampled(const osp_facts *f, uint64_t goid, osp_group_fact *out)
{
    const osp_stack_fact *most = NULL;
    for (uint32_t i = 0; i < f->nstack; i++)
        if (f->stack[i].goid == goid && (!most || f->stack[i].samples > most->samples))
            most = &f->stack[i];
    if (most) {
        out->call = most->call;
        out->ncall = most->ncall;
    } else if (out->start.func.n) {
        out->call = &out->start;
        out->ncall = 1;
    }
}

static void copy_stack(const listing *l, const osp_goroutine *g, osp_group_fact *out)
{
    osp_inspect *in = l->w->inspect;
    const osp_go_stack *s = &l->list.stack[g->stack];
    osp_call *call = osp_new(l->f->arena, osp_call, FRAMES);
    if (!call)
        return;
    out->call = call;
    for (uint32_t i = 0; i < s->n; i++) {
        const osp_spot *spot;
        size_t n = osp_inspect_spots(in, s->pc[i], &spot);
        for (size_t k = 0; k < n && out->ncall < FRAMES; k++)
            if (!spot[k].wrapper && spot[k].func.n)
                call[out->ncall++] = call_of_spot(l->f, &spot[k]);
    }
    if (!s->n)
        copy_sampled(l->f, g->goid, out);
}

static void keep_holder(listing *l, uint64_t goid)
{
    for (uint32_t i = 0; i < l->nholder; i++)
        if (l->holder[i].goid == goid)
            return;
    if (l->nholder < HOLDERS)
        l->holder[l->nholder++] = (osp_goroutine_fact){.goid = goid, .group = UINT32_MAX};
}

static void copy_object(listing *l, const osp_wait_object *o, osp_waited_fact *out)
{
    osp_arena *a = l->f->arena;
    *out = (osp_waited_fact){.kind = o->wait.kind,
                             .way = o->wait.way,
                             .addr = o->has_lock ? o->lock.addr : o->wait.addr,
                             .n = o->n,
                             .in = o->in,
                             .out = o->out,
                             .all = o->all,
                             .name = osp_arena_str(a, o->name),
                             .has_chan = o->has_chan,
                             .lock = o->kind,
                             .has_lock = o->has_lock,
                             .file = osp_arena_str(a, o->has_socket ? o->socket.peer : o->file),
                             .sought = o->has_references,
                             .candidates = o->references,
                             .near = o->near};
    if (o->has_chan) {
        out->closed = o->chan.closed;
        /* Before Go 1.23 a channel does not tell: it is of times, and has room for one. */
        out->timed = o->chan.timed || (o->chan.cap == 1 && osp_str_eq(o->elem, S("time.Time")));
        out->len = o->chan.len;
        out->cap = o->chan.cap;
    }
    if (o->has_lock) {
        out->locked = o->lock.locked;
        out->starving = o->lock.starving;
        out->waiting = o->lock.waiting;
        out->left = o->lock.left;
    }
    uint32_t n = o->references + o->near < OSP_WAIT_REFERENCES ? o->references + o->near : OSP_WAIT_REFERENCES;
    uint64_t *goid = osp_new(a, uint64_t, n + 1);
    for (uint32_t i = 0; goid && i < n; i++) {
        goid[out->nholder++] = o->reference[i];
        keep_holder(l, o->reference[i]);
    }
    out->holder = goid;
}

static int by_size(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* How long half of a group stood still at a time, as far as we looked; -1 = not known. */
static double median_stood(const listing *l, const osp_goroutine_group *g)
{
    float *age = malloc(g->n * sizeof *age);
    uint32_t n = 0;
    for (uint32_t i = 0; age && i < g->n; i++) {
        const brief *b = brief_of(l->is, &l->list.g[g->member[i]]);
        if (b)
            age[n++] = b->longest_s;
    }
    if (n)
        qsort(age, n, sizeof *age, by_size);
    double median = n ? age[n / 2] : -1;
    free(age);
    return median;
}

static double seconds_of(int64_t ns) { return ns < 0 ? -1 : (double)ns / 1e9; }

static void copy_group(listing *l, uint32_t number, osp_group_fact *out)
{
    osp_inspect *in = l->w->inspect;
    const osp_goroutine_group *from = &l->groups.row[number];
    const osp_group_waits *waits = l->waits ? &l->waits[number] : NULL;
    const osp_goroutine *g = &l->list.g[from->example];
    *out = (osp_group_fact){.n = from->n,
                            .locked = from->nlocked,
                            .status = g->status,
                            .state = osp_arena_str(l->f->arena, osp_goroutine_state(in, g)),
                            .creator = call_of_spot(l->f, osp_goroutine_creator(in, g)),
                            .start = call_of_spot(l->f, osp_goroutine_start(in, &l->list, g)),
                            .least_s = seconds_of(from->least_ns),
                            .median_s = seconds_of(from->median_ns),
                            .most_s = seconds_of(from->most_ns),
                            .last_s = -1,
                            .stood_s = l->w->process ? median_stood(l, from) : -1};
    copy_stack(l, g, out);
    for (uint32_t i = 0; i < from->n; i++) {
        const osp_goroutine *m = &l->list.g[from->member[i]];
        out->born += !brief_of(l->was, m);
        out->still += is_still(l, m);
        if (i < sizeof out->goid / sizeof *out->goid)
            out->goid[i] = m->goid;
        l->group_of[from->member[i]] = number;
    }
    for (uint32_t i = 0; i < l->was->n; i++) {
        const brief *b = &l->was->g[i];
        bool gone = is_alive(b) && !(i < l->is->n && l->is->g[i].goid == b->goid && is_alive(&l->is->g[i]));
        out->gone_alike += gone && b->status == g->status && b->waitreason == g->waitreason;
    }
    if (!waits)
        return;
    out->last_s = waits->last_ns == INT64_MIN ? -1 : (double)waits->last_ns / 1e9;
    out->objects = waits->all;
    uint32_t n = waits->n < OBJECTS ? waits->n : OBJECTS;
    osp_waited_fact *object = osp_new(l->f->arena, osp_waited_fact, n + 1);
    for (uint32_t i = 0; object && i < n; i++)
        copy_object(l, &waits->row[i], &object[out->nobject++]);
    out->object = object;
}

/* What the candidates do themselves. */
static void look_at_holders(listing *l)
{
    osp_err ignored; /* then what they wait on is not known */
    osp_wait_reader *r = l->nholder ? osp_wait_reader_new(l->w->go, &ignored) : NULL;
    for (uint32_t i = 0; i < l->list.n && l->nholder; i++) {
        const osp_goroutine *g = &l->list.g[i];
        osp_goroutine_fact *h = NULL;
        for (uint32_t k = 0; k < l->nholder && !h; k++)
            h = l->holder[k].goid == g->goid ? &l->holder[k] : NULL;
        if (!h)
            continue;
        h->group = l->group_of[i];
        h->still = is_still(l, g);
        osp_wait on[2];
        bool waits = r && g->status == OSP_G_WAITING && osp_wait_has_object(r, g->waitreason);
        size_t n = waits ? osp_wait_read(r, g->addr, g->goid, g->waitreason, on, 2) : 0;
        for (size_t k = 0; k < n && k < 2; k++) {
            h->on[k] = on[k].addr;
            /* Of a semaphore the groups know which lock it is of. */
            for (uint32_t j = 0; h->group != UINT32_MAX && j < l->waits[h->group].n; j++) {
                const osp_wait_object *o = &l->waits[h->group].row[j];
                if (o->wait.addr == on[k].addr && o->has_lock)
                    h->on[k] = o->lock.addr;
            }
        }
    }
    osp_wait_reader_drop(r);
}

static void fill(listing *l)
{
    osp_goroutine_facts *out = &l->f->goroutine;
    uint32_t n = l->groups.n < GROUPS ? l->groups.n : GROUPS;
    osp_group_fact *row = osp_new(l->f->arena, osp_group_fact, n + 1);
    l->holder = osp_new(l->f->arena, osp_goroutine_fact, HOLDERS);
    l->group_of = malloc(((size_t)l->list.n + 1) * sizeof *l->group_of);
    if (!row || !l->holder || !l->group_of)
        return;
    for (uint32_t i = 0; i < l->list.n; i++)
        l->group_of[i] = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++)
        copy_group(l, i, &row[i]);
    if (l->waits)
        look_at_holders(l);
    *out = (osp_goroutine_facts){.known = true,
                                 .seconds = l->is->at_s - l->was->at_s,
                                 .n = l->groups.ngoroutine,
                                 .births_per_s = -1,
                                 .group = row,
                                 .ngroup = n,
                                 .holder = l->holder,
                                 .nholder = l->nholder};
    for (uint32_t i = 0; i < l->groups.n; i++)
        for (uint32_t k = 0; k < l->groups.row[i].n; k++)
            out->born += !brief_of(l->was, &l->list.g[l->groups.row[i].member[k]]);
    for (uint32_t i = 0; i < l->was->n; i++)
        out->gone += is_alive(&l->was->g[i]) &&
                     !(i < l->is->n && l->is->g[i].goid == l->was->g[i].goid && is_alive(&l->is->g[i]));
    if (l->was->goidgen && l->is->goidgen >= l->was->goidgen && out->seconds > 0)
        out->births_per_s = (double)(l->is->goidgen - l->was->goidgen) / out->seconds;
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    watching *k = state;
    looks *was = &k->first, is = {0};
    osp_err ignored; /* then nothing is known of them */
    osp_arena a;
    osp_arena_init(&a, ARENA_LIMIT);
    listing l = {.w = w, .f = f, .was = was, .is = &is};
    const osp_goroutine_query by_stack = {.by = OSP_BY_STACK};
    bool looked = look(w, &is);
    if (looked)
        carry(k->last.g ? &k->last : was, &is);
    if (looked && osp_inspect_goroutines(w->inspect, &l.list, &ignored)) {
        bool ok = osp_inspect_groups(w->inspect, &l.list, &by_stack, &a, &l.groups, &ignored);
        if (ok && !osp_inspect_waits(w->inspect, &l.list, &l.groups, FEW, &a, &l.waits, &ignored))
            l.waits = NULL;
        if (ok)
            fill(&l);
        osp_goroutine_list_drop(&l.list);
    }
    free(l.group_of);
    osp_arena_drop(&a);
    free(is.g);
    free(k->first.g);
    free(k->last.g);
    free(k);
}

/* ---- in a file -------------------------------------------------------------------------------------------------------- */

static void number(osp_archive *x, uint64_t *v) { osp_arc(x, v); }

static void object(osp_archive *x, osp_waited_fact *o)
{
    uint32_t kind = o->kind, way = o->way, lock = o->lock;
    osp_arc(x, &kind);
    osp_arc(x, &way);
    osp_arc(x, &o->addr);
    osp_arc(x, &o->n);
    osp_arc(x, &o->in);
    osp_arc(x, &o->out);
    osp_arc(x, &o->all);
    osp_arc(x, &o->name);
    osp_arc(x, &o->has_chan);
    osp_arc(x, &o->closed);
    osp_arc(x, &o->timed);
    osp_arc(x, &o->len);
    osp_arc(x, &o->cap);
    osp_arc(x, &lock);
    osp_arc(x, &o->has_lock);
    osp_arc(x, &o->locked);
    osp_arc(x, &o->starving);
    osp_arc(x, &o->waiting);
    osp_arc(x, &o->left);
    osp_arc(x, &o->file);
    osp_arc(x, &o->sought);
    osp_arc(x, &o->candidates);
    osp_arc(x, &o->near);
    OSP_ARC_ROWS(x, &o->holder, &o->nholder, number);
    o->kind = kind <= OSP_WAIT_FD ? (osp_wait_kind)kind : OSP_WAIT_TIME;
    o->way = way <= OSP_WAY_OUT ? (osp_wait_way)way : OSP_WAY_UNKNOWN;
    o->lock = lock <= OSP_LOCK_GROUP ? (osp_lock_kind)lock : OSP_LOCK_OTHER;
}

static void group(osp_archive *x, osp_group_fact *g)
{
    osp_arc(x, &g->n);
    osp_arc(x, &g->born);
    osp_arc(x, &g->still);
    osp_arc(x, &g->locked);
    osp_arc(x, &g->gone_alike);
    osp_arc(x, &g->status);
    osp_arc(x, &g->state);
    osp_arc_calls(x, &g->call, &g->ncall);
    osp_arc_call(x, &g->creator);
    osp_arc_call(x, &g->start);
    osp_arc(x, &g->least_s);
    osp_arc(x, &g->median_s);
    osp_arc(x, &g->most_s);
    for (size_t i = 0; i < sizeof g->goid / sizeof *g->goid; i++)
        osp_arc(x, &g->goid[i]);
    osp_arc(x, &g->last_s);
    osp_arc(x, &g->stood_s);
    osp_arc(x, &g->objects);
    OSP_ARC_ROWS(x, &g->object, &g->nobject, object);
}

static void holder(osp_archive *x, osp_goroutine_fact *h)
{
    osp_arc(x, &h->goid);
    osp_arc(x, &h->group);
    osp_arc(x, &h->still);
    osp_arc(x, &h->on[0]);
    osp_arc(x, &h->on[1]);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_goroutine_facts *g = &f->goroutine;
    osp_arc(x, &g->known);
    osp_arc(x, &g->seconds);
    osp_arc(x, &g->n);
    osp_arc(x, &g->born);
    osp_arc(x, &g->gone);
    osp_arc(x, &g->births_per_s);
    OSP_ARC_ROWS(x, &g->group, &g->ngroup, group);
    OSP_ARC_ROWS(x, &g->holder, &g->nholder, holder);
    for (uint32_t i = 0; x->reading && i < g->nholder; i++)
        if (g->holder[i].group >= g->ngroup)
            ((osp_goroutine_fact *)g->holder)[i].group = UINT32_MAX;
}
