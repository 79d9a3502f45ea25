/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a large profile out of real ones:  generate [-plain] [-seed=N] OUT.pb.gz SAMPLES IN.pb.gz...
 *
 * Stacks are the real ones and splices of them: where two real stacks go through the same location, the callees of one
 * are put below the callers of the other, so each call in a splice is a call that happened. Labels are those osprey
 * record gives to a service: thread, tid, goroutine, domain, and its own route and tenant; a goroutine keeps its route
 * and tenant; -plain: no labels, but as many stacks as samples. No two samples have the same stack and labels, as in
 * every Go profile. The same input and seed give the same output, byte for byte. */
#include "pprof/pprof.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    POOL = 40000, /* stacks of samples with labels */
    DEEPEST = 128,
    ROUTES = 7,
    TENANTS = 40,
    THREADS = 16,
    GOROUTINES = 3000,
    LABELS = 6
};

static uint64_t state = 88172645463325252u;

static uint64_t random64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static uint32_t below(uint32_t n) { return (uint32_t)((random64() >> 32) * n >> 32); }

/* Small numbers more often than large ones. */
static uint32_t skewed_below(uint32_t n)
{
    double u = (double)(random64() >> 11) * 0x1p-53;
    return (uint32_t)(u * u * u * n);
}

typedef struct {
    osp_profile *p;
    osp_location_id *loc;    /* all stacks, one after the other */
    uint32_t *stack;         /* where each begins, and the last ends */
    uint32_t *first, *where; /* by location: samples' places (offsets into loc) that go through it */
    uint32_t *stack_of;      /* by place */
} source;

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "generate: out of memory\n");
        exit(1);
    }
    return p;
}

static void unpack_stacks(source *s)
{
    const osp_profile *p = s->p;
    osp_location_id *room = must(osp_stack_room(p));
    s->stack = must(calloc((size_t)p->stacks.n + 1, sizeof *s->stack));
    for (uint32_t k = 0; k < p->stacks.n; k++)
        s->stack[k + 1] = s->stack[k] + osp_stack_read(p, (osp_stack_id){k}, room).n;
    s->loc = must(calloc((size_t)s->stack[p->stacks.n] + 1, sizeof *s->loc));
    for (uint32_t k = 0; k < p->stacks.n; k++) {
        const osp_stack stack = osp_stack_read(p, (osp_stack_id){k}, room);
        memcpy(s->loc + s->stack[k], stack.loc, stack.n * sizeof *s->loc);
    }
    free(room);
}

static source index_source(osp_profile *p)
{
    source s = {.p = p};
    unpack_stacks(&s);
    uint32_t nplace = s.stack[p->stacks.n];
    s.first = must(calloc((size_t)p->locations.n + 2, sizeof *s.first));
    s.where = must(calloc((size_t)nplace + 1, sizeof *s.where));
    s.stack_of = must(calloc((size_t)nplace + 1, sizeof *s.stack_of));
    for (uint32_t i = 0; i < nplace; i++)
        s.first[s.loc[i].i + 2]++;
    for (uint32_t l = 0; l < p->locations.n; l++)
        s.first[l + 2] += s.first[l + 1];
    for (uint32_t i = 0; i < nplace; i++)
        s.where[s.first[s.loc[i].i + 1]++] = i;
    for (uint32_t k = 0; k < p->stacks.n; k++)
        for (uint32_t i = s.stack[k]; i < s.stack[k + 1]; i++)
            s.stack_of[i] = k;
    return s;
}

/* Replace the callees below a random place of the stack by those another real stack has there. */
static uint32_t splice(const source *s, osp_location_id *stack, uint32_t n)
{
    osp_location_id out[DEEPEST];
    uint32_t cut = below(n), l = stack[cut].i;
    uint32_t place = s->where[s->first[l] + below(s->first[l + 1] - s->first[l])];
    uint32_t leaf = s->stack[s->stack_of[place]], callees = place - leaf;
    if (callees + (n - cut) > DEEPEST)
        return n;
    memcpy(out, s->loc + leaf, callees * sizeof *out);
    memcpy(out + callees, stack + cut, (n - cut) * sizeof *out);
    memcpy(stack, out, (callees + n - cut) * sizeof *out);
    return callees + n - cut;
}

static void copy_locations(osp_builder *b, const osp_profile *p, osp_location_id *to)
{
    osp_line lines[64];
    for (uint32_t l = 0; l < p->locations.n; l++) {
        size_t n = 0;
        for (uint32_t k = p->locations.first[l]; k < p->locations.first[l + 1] && n < 64; k++) {
            const osp_function *f = &p->functions.row[p->locations.line[k].fn.i];
            lines[n] = p->locations.line[k];
            lines[n++].fn = osp_builder_function(b, osp_text(p, f->name), osp_text(p, f->linker_name),
                                                 osp_text(p, f->file), f->start_line);
        }
        const osp_mapping *m = &p->mappings.row[p->locations.mapping[l].i];
        osp_mapping_id map = {0};
        if (p->locations.mapping[l].i)
            map = osp_builder_mapping(b, m->start, m->limit, m->offset, osp_text(p, m->file),
                                      osp_text(p, m->build_id), m->has);
        to[l] = osp_builder_location(b, map, p->locations.addr[l], lines, n);
    }
}

/* Up to n new stacks; equal splices share an id and are taken once. */
static uint32_t add_to_pool(osp_builder *b, const source *s, osp_stack_id *pool, uint32_t n)
{
    const osp_profile *p = s->p;
    osp_location_id *map = must(calloc((size_t)p->locations.n + 1, sizeof *map));
    copy_locations(b, p, map);
    uint32_t got = 0, newest = UINT32_MAX;
    for (uint32_t tries = 0; got < n && tries < n * 40; tries++) {
        osp_location_id stack[DEEPEST];
        uint32_t real = tries % p->stacks.n, depth = s->stack[real + 1] - s->stack[real];
        if (depth == 0 || depth > DEEPEST)
            continue;
        memcpy(stack, s->loc + s->stack[real], depth * sizeof *stack);
        for (uint32_t k = tries < p->stacks.n ? 0 : 1 + below(4); k > 0; k--)
            depth = splice(s, stack, depth);
        for (uint32_t i = 0; i < depth; i++)
            stack[i] = map[stack[i].i];
        osp_stack_id id = osp_builder_stack(b, stack, depth);
        if (newest != UINT32_MAX && id.i <= newest)
            continue;
        newest = id.i;
        pool[got++] = id;
    }
    free(map);
    return got;
}

static osp_labelset_id make_labels(osp_builder *b)
{
    static const char *const route[ROUTES] = {"/api/orders", "/api/search", "/api/users", "/login",
                                              "/healthz",    "/metrics",    "/static"};
    static const char *const domain[] = {"go", "runtime", "go", "c", "kernel", "go"};
    char tenant[32];
    uint32_t g = skewed_below(GOROUTINES), t = g * 2654435761u >> 8, tid = below(THREADS);
    snprintf(tenant, sizeof tenant, "tenant-%03u", t % TENANTS);
    const osp_label set[LABELS] = {
        {osp_builder_string(b, S("thread")), osp_builder_string(b, S("orders")), {0}, 0},
        {osp_builder_string(b, S("tid")), {0}, {0}, 4711 + tid},
        {osp_builder_string(b, S("goroutine")), {0}, {0}, 18 + g},
        {osp_builder_string(b, S("domain")), osp_builder_string(b, osp_str_from(domain[below(6)])), {0}, 0},
        {osp_builder_string(b, S("route")), osp_builder_string(b, osp_str_from(route[g % ROUTES])), {0}, 0},
        {osp_builder_string(b, S("tenant")), osp_builder_string(b, osp_str_from(tenant)), {0}, 0},
    };
    return osp_builder_labels(b, set, LABELS);
}

/* Pairs of stack and labels that were used already. */
typedef struct {
    uint64_t *key;
    size_t size;
} pairs;

static bool is_new(pairs *p, osp_stack_id stack, osp_labelset_id labels)
{
    uint64_t key = ((uint64_t)stack.i << 32 | labels.i) + 1;
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (p->size - 1);
    for (; p->key[at]; at = (at + 1) & (p->size - 1))
        if (p->key[at] == key)
            return false;
    p->key[at] = key;
    return true;
}

typedef struct {
    bool plain;
    const char *out;
    uint32_t want;
    int nsource;
    char **source;
} job;

static job read_words(int argc, char **argv)
{
    job j = {0};
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        j.plain |= strcmp(argv[i], "-plain") == 0;
        if (strncmp(argv[i], "-seed=", 6) == 0)
            state += strtoull(argv[i] + 6, NULL, 10) * 2654435761u;
    }
    if (argc - i < 3) {
        fprintf(stderr, "generate [-plain] [-seed=N] OUT.pb.gz SAMPLES IN.pb.gz...\n");
        exit(2);
    }
    j.out = argv[i];
    j.want = (uint32_t)strtoul(argv[i + 1], NULL, 10);
    j.nsource = argc - i - 2;
    j.source = argv + i + 2;
    return j;
}

/* The first source, which has the most stacks, fills what the others leave. */
static uint32_t fill_pool(osp_builder *b, const job *j, osp_stack_id *pool, uint32_t size)
{
    uint32_t n = 0;
    for (int i = j->nsource; i-- > 0;) {
        osp_err err = {0};
        osp_profile *p = osp_pprof_open(j->source[i], &err);
        if (!p) {
            fprintf(stderr, "generate: %s\n", err.msg);
            exit(1);
        }
        source s = index_source(p);
        n += add_to_pool(b, &s, pool + n, (size - n) / (uint32_t)(i + 1));
        free(s.loc);
        free(s.stack);
        free(s.first);
        free(s.where);
        free(s.stack_of);
        osp_profile_drop(p);
    }
    return n;
}

static void add_samples(osp_builder *b, const job *j, const osp_stack_id *pool, uint32_t npool)
{
    pairs used = {.size = 1 << 20};
    while (used.size < (size_t)j->want * 2)
        used.size *= 2;
    used.key = must(calloc(used.size, sizeof *used.key));
    for (uint32_t n = 0; n < j->want && (!j->plain || n < npool);) {
        osp_stack_id stack = pool[j->plain ? n : skewed_below(npool)];
        osp_labelset_id labels = j->plain ? (osp_labelset_id){0} : make_labels(b);
        int64_t times = 1 + skewed_below(5);
        if (!is_new(&used, stack, labels))
            continue;
        osp_builder_sample(b, stack, labels, (int64_t[]){times, times * 10000000}, 0);
        n++;
    }
    free(used.key);
}

int main(int argc, char **argv)
{
    osp_err err = {0};
    job j = read_words(argc, argv);
    uint32_t size = j.plain && j.want > POOL ? j.want : POOL;
    osp_builder *b = must(osp_builder_new(SIZE_MAX / 2, &err));
    osp_stack_id *pool = must(calloc(size, sizeof *pool));
    uint32_t npool = fill_pool(b, &j, pool, size);
    osp_builder_value(b, S("samples"), S("count"));
    osp_builder_value(b, S("cpu"), S("nanoseconds"));
    add_samples(b, &j, pool, npool);
    free(pool);
    osp_builder_head(b, &(osp_profile_head){
                            .time_ns = 1763800000000000000,
                            .duration_ns = 600000000000,
                            .period = 10000000,
                            .period_type = S("cpu"),
                            .period_unit = S("nanoseconds"),
                        });
    osp_profile *q = osp_builder_finish(b, &err);
    osp_buf out = osp_buf_of(SIZE_MAX / 2), plain = osp_buf_of(SIZE_MAX / 2);
    if (!q || !osp_pprof_encode(q, &plain, &err) ||
        !osp_pack_bytes(OSP_PACK_GZIP, osp_buf_str(&plain), 6, &out, &err) ||
        !osp_file_write(j.out, osp_buf_str(&out), &err)) {
        fprintf(stderr, "generate: %s\n", err.msg);
        return 1;
    }
    source made = {.p = q};
    unpack_stacks(&made);
    printf("%u samples, %u distinct stacks of %.1f frames, %u label sets, %.1f MB, packed %.1f MB\n", q->samples.n,
           q->stacks.n, (double)made.stack[q->stacks.n] / q->stacks.n, q->labelsets.n, (double)plain.n / 1e6,
           (double)out.n / 1e6);
    return 0;
}
