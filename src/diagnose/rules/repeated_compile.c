/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU. Programs compile patterns when they begin; while they work, none. */
static const double least_share = 0.2, surely_share = 0.45;
static const double demand_floor = 0.25; /* cores */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_repeated_compile = {
    .name = "repeated-compile",
    .asks = "does the CPU go into compiling the same patterns or templates again and again?",
    .topic = "hot spots",
    .title = "patterns are compiled again and again",
    .order = 48,
    .after = " gc-thrash-gogc gc-thrash-memlimit ",
    .check = check,
};

/* The outermost of the calls that compile: regular expressions, templates. */
static uint32_t under(const osp_stack_fact *s)
{
    static const char *const head[] = {"regexp.MustCompile",
                                       "regexp.Compile",
                                       "regexp.compile",
                                       "regexp.MatchString",
                                       "regexp.Match",
                                       "regexp/syntax.",
                                       "text/template.(*Template).Parse",
                                       "text/template/parse.",
                                       "html/template.(*Template).Parse",
                                       "html/template.(*escaper)"};
    static const char *const native[] = {"regcomp", "pcre_compile", "pcre2_compile_8"};
    uint32_t at = UINT32_MAX;
    for (uint32_t i = 0; i < s->ncall; i++) {
        for (size_t k = 0; s->call[i].kind == OSP_CALL_STD && k < sizeof head / sizeof *head; k++)
            if (osp_str_starts(s->call[i].func, osp_str_from(head[k])))
                at = i;
        for (size_t k = 0; s->call[i].kind == OSP_CALL_LIB && k < sizeof native / sizeof *native; k++)
            if (osp_str_eq(s->call[i].func, osp_str_from(native[k])))
                at = i;
    }
    return at;
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_under u;
    osp_memory_cpu cpu;
    if (!osp_under_weigh(f, under, 0.3, least_share, &u) || !osp_memory_weigh(f, &cpu) || u.low < least_share ||
        u.marked.demand < demand_floor)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_repeated_compile, NULL,
                              0.65 + 0.3 * osp_ramp(u.low, least_share, surely_share), u.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    osp_finding_blame(f, x, &u.who);
    const osp_call *what = u.who.call > u.who.stack->call ? u.who.call - 1 : u.who.call;
    x->summary = osp_arena_fmt(a, "%.*s compiles by %.*s each time it runs: %.0f %% of this process's CPU.",
                               STRF(osp_call_text(a, u.who.call)), STRF(what->func), 100 * u.share);
    osp_finding_evidence(x,
                         osp_arena_fmt(a, "± %.0f of its CPU compiles patterns or templates",
                                       200 * osp_share_error(u.share, f->samples)),
                         100 * u.share, "%", "samples");
    if (f->is_go && cpu.gc > 0.01)
        osp_finding_evidence(x, S("of its CPU collects garbage beside that"), 100 * cpu.gc, "%", "samples");
    osp_finding_evidence(x, S("of a core wanted by that"), 100 * u.marked.demand, "%", "schedstat");
    x->next = osp_arena_fmt(a, "compile once: a package variable, or sync.Once, instead of %.*s in %.*s",
                            STRF(what->func), STRF(u.who.call->func));
}
