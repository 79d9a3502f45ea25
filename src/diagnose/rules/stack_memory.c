/* SPDX-License-Identifier: Apache-2.0 */
/* The memory is goroutine stacks. A stack doubles when it is too small, and is halved only by a collection that meets it less
 * than a quarter full; what a deep call chain has grown is kept as long as it stands there. */
#include "diagnose/diagnose_internal.h"

static const double least_bytes = 48 << 20, least_part = 0.35; /* of what is resident */
/* A goroutine begins with 2 to 8 KB. Some thousand of those are what a server has; so many of them are too many however small. */
static const double large_stack = 20 << 10, many_bytes = 400 << 20;

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_stack_memory = {
    .name = "stack-memory",
    .asks = "is the memory goroutine stacks?",
    .topic = "memory",
    .more = "goroutines PID -t",
    .only_go = true,
    .title = "the memory is goroutine stacks",
    .order = 58,
    .after = " goroutine-leak goroutine-deadlock ",
    .check = check,
};

/* The function that stands most often on a stack. */
static uint32_t deepest(const osp_group_fact *g, uint32_t *times)
{
    uint32_t best = UINT32_MAX;
    *times = 0;
    for (uint32_t i = 0; i < g->ncall; i++) {
        uint32_t n = 0;
        for (uint32_t k = 0; k < g->ncall; k++)
            n += osp_str_eq(g->call[i].func, g->call[k].func);
        if (g->call[i].kind == OSP_CALL_GO && n > *times) {
            *times = n;
            best = i;
        }
    }
    return best;
}

/* How much of all stacks is a group's cannot be known; those of many goroutines that stand deep are. */
static const osp_group_fact *largest(const osp_goroutine_facts *all)
{
    const osp_group_fact *best = NULL;
    for (uint32_t i = 0; i < all->ngroup; i++) {
        const osp_group_fact *g = &all->group[i];
        if (!best || (double)g->n * g->ncall > (double)best->n * best->ncall)
            best = g;
    }
    return best;
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_ledger_fact *l = &f->ledger;
    const double stacks = (double)l->now[OSP_LEDGER_GO_STACKS], all = (double)l->resident;
    const double n = f->goroutine.known ? f->goroutine.n : (double)f->goroutines;
    if (!l->known || stacks < least_bytes || stacks < least_part * all || n < 1)
        return;
    const double each = (double)(f->gc.stacks ? (double)f->gc.stacks : stacks) / n;
    const bool deep = each >= large_stack;
    if (!deep && stacks < many_bytes)
        return;
    const osp_group_fact *g = f->goroutine.known ? largest(&f->goroutine) : NULL;
    osp_finding *x = osp_find(f, out, &osp_rule_stack_memory, deep ? "large stacks" : "many goroutines",
                              0.7 + 0.25 * osp_ramp(stacks / all, least_part, 0.8), stacks / all);
    if (!x)
        return;
    osp_arena *a = f->arena;
    uint32_t times = 0;
    const uint32_t at = g ? deepest(g, &times) : UINT32_MAX;
    if (g && at != UINT32_MAX)
        osp_finding_blame(
            f, x,
            &(osp_blamed){.call = &g->call[at],
                          .stack = &(osp_stack_fact){.call = g->call, .ncall = g->ncall, .goid = g->goid[0]}});
    else if (g)
        osp_finding_blame_group(f, x, g);
    x->summary = osp_arena_fmt(a, "%.*s of %.*s resident memory are the stacks of %.0f goroutines, %.*s each%s%.*s.",
                               STRF(osp_memory_text(a, stacks)), STRF(osp_memory_text(a, all)), n,
                               STRF(osp_memory_text(a, each)), x->culprit.func.n ? "; most stand deep in " : "",
                               STRF(at != UINT32_MAX ? osp_call_text(a, &g->call[at]) : x->culprit.func));
    osp_finding_evidence(x, S("resident in goroutine stacks"), stacks / 1048576, "MB", "ledger");
    if (f->gc.stacks)
        osp_finding_evidence(x, S("in stacks, by the runtime (StackInuse)"), (double)f->gc.stacks / 1048576, "MB",
                             "runtime");
    osp_finding_evidence(x, S("resident in the Go heap"), (double)l->now[OSP_LEDGER_GO_HEAP] / 1048576, "MB",
                         "ledger");
    if (g) {
        osp_finding_evidence(x, osp_arena_fmt(a, "with this stack, of %.0f (%.*s)", n, STRF(g->state)), g->n,
                             "goroutines", "runtime");
        osp_finding_evidence(x,
                             times > 1 ? osp_arena_fmt(a, "or more on it, %u of %.*s", times, STRF(g->call[at].func))
                                       : S("or more on it"),
                             g->ncall, "calls", "runtime");
    }
    x->next = deep ? S("smaller frames (large arrays go to the heap), less depth where goroutines wait, or fewer "
                       "goroutines")
                   : S("fewer goroutines: a pool of workers, or one that serves many connections");
}
