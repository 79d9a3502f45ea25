/* SPDX-License-Identifier: Apache-2.0 */
/* From a symbolised profile to facts: what each frame is, where each stack belongs, which loops are hot. */
#include "diagnose/diagnose_internal.h"

#include <math.h>
#include <stdlib.h>

/* ---- frames --------------------------------------------------------------------------------------------------- */

/* A run address as file address of the object mapped there; false if no object is known. */
static bool file_addr_of(const osp_profile *p, osp_object *const *object, uint32_t nobject, osp_mapping_id mapping,
                         uint64_t addr, osp_object **o, uint64_t *file_addr)
{
    osp_err ignored; /* a mapping that fits no segment is like one without an object */
    uint64_t bias;
    if (!mapping.i || mapping.i >= nobject || !object[mapping.i] || mapping.i >= p->mappings.n)
        return false;
    const osp_mapping *m = &p->mappings.row[mapping.i];
    if (!osp_object_bias(object[mapping.i], m->start, m->offset, &bias, &ignored))
        return false;
    *o = object[mapping.i];
    *file_addr = addr - bias;
    return true;
}

/* What compilers add to a function's name where they made a copy of it. */
static osp_str without_suffix(osp_str func)
{
    static const char *const tail[] = {".constprop.", ".isra.", ".part.", ".cold",
                                       ".lto_priv.",  ".llvm.", ".abi0",  ".abiinternal"};
    size_t end = func.n;
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) {
        size_t at = osp_str_find(func, osp_str_from(tail[i]));
        end = at > 0 && at < end ? at : end;
    }
    return osp_str_head(func, end);
}

static bool is_name(osp_str func, osp_str module)
{
    if (!func.n || osp_str_starts(func, S("0x")))
        return false;
    return !(module.n && osp_str_starts(func, module) && osp_str_starts(osp_str_skip(func, module.n), S("+0x")));
}

/* Of a profile from a file there are no objects to ask. */
static bool is_go_file(osp_str file) { return osp_str_ends(file, S(".go")) || osp_str_ends(file, S(".s")); }

typedef struct {
    uint32_t first, n; /* into call[] */
} span;

/* The frames of every location, once. */
static bool frames(const osp_profile *p, osp_object *const *object, uint32_t nobject, osp_arena *a, osp_call **call,
                   span **at)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->locations.n; i++) {
        uint32_t lines = p->locations.first[i + 1] - p->locations.first[i];
        n += lines ? lines : 1;
    }
    *call = osp_new(a, osp_call, n + 1);
    *at = osp_new(a, span, p->locations.n + 1);
    if (!*call || !*at)
        return false;
    n = 0;
    for (uint32_t i = 0; i < p->locations.n; i++) {
        osp_mapping_id mapping = p->locations.mapping[i];
        osp_str path = mapping.i < p->mappings.n ? osp_text(p, p->mappings.row[mapping.i].file) : S("");
        osp_str module = osp_str_starts(path, S("[")) ? path : osp_str_base(path);
        osp_object *o;
        uint64_t file_addr;
        bool is_go = file_addr_of(p, object, nobject, mapping, p->locations.addr[i], &o, &file_addr) &&
                     osp_object_is_go(o, file_addr);
        (*at)[i].first = n;
        for (uint32_t k = p->locations.first[i]; k < p->locations.first[i + 1]; k++) {
            const osp_function *fn = &p->functions.row[p->locations.line[k].fn.i];
            osp_str name = osp_text(p, fn->name);
            osp_call *c = &(*call)[n++];
            is_go = is_go || (!object && is_go_file(osp_text(p, fn->file)));
            *c = (osp_call){.func = without_suffix(name),
                            .file = osp_text(p, fn->file),
                            .module = module,
                            .line = (int32_t)p->locations.line[k].line,
                            .named = is_name(name, module)};
            c->kind = osp_call_kind_of(is_go, c->func, c->file, module);
        }
        if (n == (*at)[i].first) {
            osp_call *c = &(*call)[n++];
            *c = (osp_call){.func = osp_arena_fmt(a, "0x%llx", (unsigned long long)p->locations.addr[i]),
                            .module = module};
            c->kind = osp_call_kind_of(is_go, c->func, S(""), module);
        }
        (*at)[i].n = n - (*at)[i].first;
    }
    return true;
}

/* ---- stacks --------------------------------------------------------------------------------------------------- */

static bool is_root(const osp_call *c)
{
    static const char *const name[] = {
        "runtime.goexit", "runtime.mstart", "runtime.rt0_go", "runtime.mcall", "runtime.gogo",       "clone",
        "clone3",         "__clone",        "__clone3",       "_start",        "runtime.systemstack"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (osp_str_eq(c->func, osp_str_from(name[i])))
            return true;
    return c->kind == OSP_CALL_KERNEL;
}

bool osp_flatten(const osp_profile *p, osp_object *const *object, uint32_t nobject, osp_arena *a,
                 osp_flat_stacks *out, osp_err *err)
{
    osp_call *call;
    span *at;
    osp_location_id *room = osp_new(a, osp_location_id, p->stacks.deepest + OSP_PACKED_SLACK);
    out->stack = osp_new(a, osp_flat_stack, p->stacks.n + 1);
    if (!room || !out->stack || !frames(p, object, nobject, a, &call, &at))
        return osp_fail_memory(err, "reading the samples");
    size_t total = 0;
    for (uint32_t i = 0; i < p->stacks.n; i++) {
        const osp_stack stack = osp_stack_read(p, (osp_stack_id){i}, room);
        for (uint32_t k = 0; k < stack.n; k++)
            total += at[stack.loc[k].i].n;
    }
    osp_call *flat = osp_new(a, osp_call, total + 1);
    if (!flat)
        return osp_fail_memory(err, "reading the samples");
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->stacks.n; i++) {
        osp_flat_stack *s = &out->stack[i];
        const osp_stack stack = osp_stack_read(p, (osp_stack_id){i}, room);
        s->first = n;
        for (uint32_t k = 0; k < stack.n; k++) {
            uint32_t loc = stack.loc[k].i;
            if (!s->leaf.addr && call[at[loc].first].kind != OSP_CALL_KERNEL)
                s->leaf = (osp_leaf){p->locations.addr[loc], p->locations.mapping[loc]};
            for (uint32_t c = 0; c < at[loc].n; c++)
                flat[n++] = call[at[loc].first + c];
        }
        s->n = n - s->first;
    }
    out->call = flat;
    return true;
}

bool osp_digest(const osp_profile *p, osp_object *const *object, uint32_t nobject, osp_facts *f, osp_leaf **leaf,
                osp_err *err)
{
    osp_arena *a = f->arena;
    osp_flat_stacks flat;
    const int64_t *samples = osp_profile_column(p, S("samples")), *cpu = osp_profile_column(p, S("cpu"));
    osp_stack_fact *row = osp_new(a, osp_stack_fact, p->samples.n + 1);
    *leaf = osp_new(a, osp_leaf, p->samples.n + 1);
    if (!row || !*leaf)
        return osp_fail_memory(err, "reading the samples");
    if (!samples || !cpu)
        return osp_fail(err, OSP_EBUG, "the sampler's profile has no samples/count and cpu/nanoseconds");
    if (!osp_flatten(p, object, nobject, a, &flat, err))
        return false;
    double cpu_total = 0, weighed = 0, unnamed = 0;
    for (uint32_t i = 0; i < p->samples.n; i++) {
        const osp_flat_stack *s = &flat.stack[p->samples.stack[i].i];
        osp_stack_fact *r = &row[i];
        *r = (osp_stack_fact){.call = flat.call + s->first,
                              .ncall = s->n,
                              .tid = (int)osp_label_number(p, p->samples.labels[i], S("tid")),
                              .goid = (uint64_t)osp_label_number(p, p->samples.labels[i], S("goroutine")),
                              .samples = (uint64_t)samples[i],
                              .share = (double)cpu[i]};
        r->complete = r->ncall && is_root(&r->call[r->ncall - 1]);
        (*leaf)[i] = s->leaf;
        cpu_total += r->share;
        f->samples += r->samples;
        const osp_thread_fact *t = osp_thread_of(f, r->tid);
        /* A stack that ended early on a thread of Go's was called by Go; a whole one says itself. */
        r->in = osp_domain_of(r->call, r->ncall, f->is_go && t && t->has_m && !r->complete);
        for (uint32_t k = 0; k < r->ncall; k++) {
            weighed += (double)r->samples;
            unnamed += r->call[k].named ? 0 : (double)r->samples;
        }
    }
    for (uint32_t i = 0; i < p->samples.n; i++) {
        row[i].share = cpu_total > 0 ? row[i].share / cpu_total : 0;
        f->in[row[i].in] += row[i].share;
    }
    f->stack = row;
    f->nstack = p->samples.n;
    f->unsymbolised = weighed > 0 ? unnamed / weighed : 0;
    return true;
}

/* ---- loops ---------------------------------------------------------------------------------------------------- */

enum { MAX_LOOPS = 4, MAX_FUNCTIONS = 64 };

typedef struct {
    osp_leaf at;
    uint32_t stack;
    double share;
} hot;

static int by_address(const void *a, const void *b)
{
    const hot *x = a, *y = b;
    return (x->at.addr > y->at.addr) - (x->at.addr < y->at.addr);
}

/* Whose loop a stack's leaf would be: the program's own function. What it calls there, inlined or not, of the standard
 * or a system library is how it waits (sync/atomic, std::atomic, pthread_spin_lock). NULL if there is none. */
static const osp_call *loop_owner(const osp_stack_fact *s)
{
    const osp_call *std = NULL;
    for (uint32_t i = 0; i < s->ncall; i++) {
        const osp_call *c = &s->call[i];
        if (c->kind == OSP_CALL_C || c->kind == OSP_CALL_GO || c->kind == OSP_CALL_CGO)
            return c;
        if (c->kind == OSP_CALL_STD)
            std = std ? std : c;
        else if (c->kind != OSP_CALL_KERNEL && c->kind != OSP_CALL_LIB)
            break;
    }
    return std;
}

static bool same_owner(const osp_call *a, const osp_call *b)
{
    return osp_str_eq(a->module, b->module) && a->named == b->named && (!a->named || osp_str_eq(a->func, b->func));
}

/* The address that most samples end at, and how the samples spread over addresses. Sorts h. */
static osp_leaf hottest_address(hot *h, uint32_t n, double *entropy_bits, uint32_t *addresses)
{
    double share = 0, best = 0;
    osp_leaf hottest = {0};
    *entropy_bits = 0;
    *addresses = 0;
    qsort(h, n, sizeof *h, by_address);
    for (uint32_t i = 0; i < n; i++)
        share += h[i].share;
    for (uint32_t from = 0, to; from < n; from = to) {
        double sum = 0;
        for (to = from; to < n && h[to].at.addr == h[from].at.addr; to++)
            sum += h[to].share;
        ++*addresses;
        if (sum > 0)
            *entropy_bits -= sum / share * log2(sum / share);
        if (sum > best) {
            best = sum;
            hottest = h[from].at;
        }
    }
    return hottest;
}

typedef struct {
    uint64_t key;
    double loop, all;
} task;

static int task_order(const void *a, const void *b)
{
    const task *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* Fill what concerns the tasks that are mostly in the loop. inside[i]: stack i ends in it. */
static void weigh_loop(osp_facts *f, const bool *inside, osp_loop_fact *l)
{
    task *t = osp_new(f->arena, task, f->nstack + 1);
    if (!t)
        return;
    for (uint32_t i = 0; i < f->nstack; i++)
        t[i] = (task){osp_task_of(&f->stack[i], false), inside[i] ? f->stack[i].share : 0, f->stack[i].share};
    qsort(t, f->nstack, sizeof *t, task_order);
    double all = 0, in = 0;
    for (uint32_t from = 0, to; from < f->nstack; from = to) {
        double a = 0, l_in = 0;
        for (to = from; to < f->nstack && t[to].key == t[from].key; to++) {
            a += t[to].all;
            l_in += t[to].loop;
        }
        if (l_in >= 0.5 * a) {
            all += a;
            in += l_in;
            l->threads++;
        }
    }
    l->of_its_threads = all > 0 ? in / all : 0;
}

void osp_digest_loops(const osp_profile *p, osp_object *const *object, uint32_t nobject, osp_facts *f,
                      const osp_leaf *leaf, const osp_map *map, uint32_t nmap)
{
    osp_loop_fact *out = osp_new(f->arena, osp_loop_fact, MAX_LOOPS);
    hot *h = osp_new(f->arena, hot, f->nstack + 1);
    bool *inside = osp_new(f->arena, bool, f->nstack + 1);
    bool *done = osp_new(f->arena, bool, f->nstack + 1);
    if (!out || !h || !inside || !done)
        return;
    f->loop = out;
    for (uint32_t round = 0; round < MAX_FUNCTIONS && f->nloop < MAX_LOOPS; round++) {
        /* A function not yet seen: the one of the heaviest stack. */
        const osp_stack_fact *top = NULL;
        for (uint32_t i = 0; i < f->nstack; i++)
            if (!done[i] && leaf[i].addr && loop_owner(&f->stack[i]) && (!top || f->stack[i].share > top->share))
                top = &f->stack[i];
        if (!top)
            return;
        const osp_call *c = loop_owner(top);
        uint32_t n = 0;
        double share = 0;
        for (uint32_t i = 0; i < f->nstack; i++) {
            const osp_call *k = loop_owner(&f->stack[i]);
            if (done[i] || !k || !same_owner(k, c))
                continue;
            done[i] = true;
            share += f->stack[i].share;
            h[n++] = (hot){leaf[i], i, f->stack[i].share};
        }
        if (share < 0.05)
            continue;
        double entropy;
        uint32_t addresses;
        osp_leaf hottest = hottest_address(h, n, &entropy, &addresses);
        osp_loop_fact l = {.func = c->func, .file = c->file, .module = c->module, .line = c->line, .kind = c->kind};
        osp_object *o;
        uint64_t file_addr;
        osp_err ignored; /* no loop there, or no disassembler: then there is no fact */
        if (!file_addr_of(p, object, nobject, hottest.mapping, hottest.addr, &o, &file_addr) ||
            !osp_object_loop(o, file_addr, &l.loop, &ignored))
            continue;
        /* All that ends between its addresses, also where the name is that of something inlined into it. */
        uint64_t bias = hottest.addr - file_addr;
        memset(inside, 0, f->nstack * sizeof *inside);
        double heaviest = 0;
        n = 0;
        for (uint32_t i = 0; i < f->nstack; i++) {
            if (leaf[i].mapping.i != hottest.mapping.i || !loop_owner(&f->stack[i]) ||
                leaf[i].addr - bias < l.loop.start || leaf[i].addr - bias >= l.loop.end)
                continue;
            inside[i] = done[i] = true;
            h[n++] = (hot){leaf[i], i, f->stack[i].share};
            l.share += f->stack[i].share;
            l.demand += osp_demand_of(f, &f->stack[i]);
            if (f->stack[i].share > heaviest) {
                heaviest = f->stack[i].share;
                l.stack = &f->stack[i];
            }
        }
        hottest_address(h, n, &l.entropy_bits, &l.addresses);
        if (l.stack)
            l.line = loop_owner(l.stack)->line;
        weigh_loop(f, inside, &l);
        if (l.loop.load_addr) {
            l.load_addr = l.loop.load_addr + bias;
            l.load_symbol = osp_object_variable_at(o, l.loop.load_addr);
            for (uint32_t i = 0; i < nmap; i++)
                if (l.load_addr >= map[i].start && l.load_addr < map[i].end)
                    l.load_mapping = map[i].path.n ? osp_str_base(map[i].path) : c->module; /* .bss has no file */
        }
        out[f->nloop++] = l;
    }
}
