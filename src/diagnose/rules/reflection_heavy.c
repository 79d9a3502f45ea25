/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU, with the allocations made there. Servers that also do other work are below a third. */
static const double least_share = 0.4, surely_share = 0.65;
/* Of it, with calls of package reflect: an encoder that does without them has another reason. */
static const double least_reflecting = 0.05;
static const double demand_floor = 0.35; /* cores */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_reflection_heavy = {
    .name = "reflection-heavy",
    .asks = "does the CPU go into encoding and decoding by reflection?",
    .topic = "hot spots",
    .title = "the CPU goes into encoding by reflection",
    .order = 55,
    .only_go = true,
    .after = " gc-thrash-gogc gc-thrash-memlimit repeated-compile ",
    .check = check,
};

/* The outermost call of a package that encodes by reflection; whoever uses package reflect alone is not meant. */
static uint32_t under(const osp_stack_fact *s)
{
    static const char *const head[] = {"encoding/json.", "encoding/json/",   "encoding/xml.", "encoding/gob.",
                                       "encoding/asn1.", "encoding/binary.", "reflect."};
    uint32_t at = UINT32_MAX;
    for (uint32_t i = 0; i < s->ncall; i++)
        for (size_t k = 0; s->call[i].kind == OSP_CALL_STD && k < sizeof head / sizeof *head; k++)
            if (osp_str_starts(s->call[i].func, osp_str_from(head[k])))
                at = i;
    return at;
}

/* Of the samples: those with a call of package reflect. */
static double reflecting(const osp_facts *f)
{
    double share = 0;
    for (uint32_t i = 0; i < f->nstack; i++)
        for (uint32_t k = 0; k < f->stack[i].ncall; k++)
            if (f->stack[i].call[k].kind == OSP_CALL_STD && osp_str_starts(f->stack[i].call[k].func, S("reflect."))) {
                share += f->stack[i].share;
                break;
            }
    return share;
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_under u;
    osp_memory_cpu cpu;
    if (!osp_under_weigh(f, under, 0.45, least_share, &u) || !osp_memory_weigh(f, &cpu) || u.low < least_share ||
        u.marked.demand < demand_floor || reflecting(f) < least_reflecting)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_reflection_heavy, NULL,
                              0.65 + 0.3 * osp_ramp(u.low, least_share, surely_share), u.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &u.who);
    const osp_call *what = u.who.call > u.who.stack->call ? u.who.call - 1 : u.who.call;
    x->summary = osp_arena_fmt(a, "%.*s encodes or decodes by reflection (%.*s): %.0f %% of this process's CPU.",
                               STRF(osp_call_text(a, u.who.call)), STRF(what->func), 100 * u.share);
    osp_finding_evidence(
        x, osp_arena_fmt(a, "± %.0f of its CPU encodes by reflection", 200 * osp_share_error(u.share, f->samples)),
        100 * u.share, "%", "samples");
    osp_finding_evidence(x, S("of its CPU calls package reflect"), 100 * reflecting(f), "%", "samples");
    if (f->gc.known && f->gc.bytes_per_s >= 0)
        osp_finding_evidence(x, S("allocated"), f->gc.bytes_per_s / 1048576, "MB/s", "runtime");
    if (f->is_go && cpu.gc > 0.01)
        osp_finding_evidence(x, S("of its CPU collects garbage beside that"), 100 * cpu.gc, "%", "samples");
    osp_finding_evidence(x, S("of a core wanted by that"), 100 * u.marked.demand, "%", "schedstat");
    x->next = osp_arena_fmt(
        a, "typed structs instead of interfaces and maps in %.*s, or generated code; decode once, keep the result",
        STRF(u.who.call->func));
}
