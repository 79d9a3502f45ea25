/* SPDX-License-Identifier: Apache-2.0 */
/* Matching itself, not compiling: a pattern without a begin that can be searched for, over much text; or a library that goes
 * back and tries again, whose time may explode. */
#include "diagnose/diagnose_internal.h"

/* Of the process's CPU. Programs that match a line now and then are below a tenth. */
static const double least_share = 0.35, surely_share = 0.7;
static const double demand_floor = 0.25; /* cores */

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_expensive_regexp = {
    .name = "expensive-regexp",
    .asks = "does the CPU go into matching regular expressions?",
    .topic = "hot spots",
    .title = "the CPU goes into matching a regular expression",
    .order = 49,
    .after = " repeated-compile gc-thrash-gogc gc-thrash-memlimit ",
    .check = check,
};

typedef enum { NO_MATCHER, LINEAR, SIMULATED, BACKTRACKING } engine;

static bool starts_any(osp_str func, const char *const *head, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (osp_str_starts(func, osp_str_from(head[i])))
            return true;
    return false;
}

#define STARTS_ANY(func, head) starts_any(func, head, sizeof(head) / sizeof *(head))

/* Go's package simulates the automaton step by step where the pattern is large or the text long; what it does else is some
 * times faster. Those of others go back. */
static engine engine_of(const osp_call *c)
{
    static const char *const simulated[] = {"regexp.(*machine)", "regexp.(*queue)"};
    static const char *const linear[] = {"regexp.(*Regexp)", "regexp.(*bitState)", "regexp.(*inputBytes)",
                                         "regexp.(*inputString)", "regexp.(*inputReader)"};
    static const char *const others[] = {"github.com/dlclark/regexp2.", "github.com/dlclark/regexp2/"};
    static const char *const native[] = {
        "pcre_exec",  "pcre2_match", "pcre2_jit_match", "match_at",  "regexec",
        "re_search_", "__re_search", "onig_search",     "sre_match", "std::__detail::_Executor"};
    if (c->kind == OSP_CALL_STD)
        return STARTS_ANY(c->func, simulated) ? SIMULATED : STARTS_ANY(c->func, linear) ? LINEAR : NO_MATCHER;
    if (c->kind == OSP_CALL_GO)
        return STARTS_ANY(c->func, others) ? BACKTRACKING : NO_MATCHER;
    if (c->kind == OSP_CALL_LIB || c->kind == OSP_CALL_C)
        return STARTS_ANY(c->func, native) ? BACKTRACKING : NO_MATCHER;
    return NO_MATCHER;
}

/* The outermost call of the matcher that the leaf works for; what a pattern's callback does is the program's own. */
static uint32_t matching(const osp_stack_fact *s, engine *e)
{
    uint32_t at = UINT32_MAX;
    *e = NO_MATCHER;
    for (uint32_t i = 0; i < s->ncall; i++) {
        const engine here = engine_of(&s->call[i]);
        if (here != NO_MATCHER) {
            at = i;
            *e = here > *e ? here : *e;
        } else if (s->call[i].kind == OSP_CALL_GO || s->call[i].kind == OSP_CALL_C) {
            break;
        }
    }
    return at;
}

static uint32_t under(const osp_stack_fact *s)
{
    engine e;
    return matching(s, &e);
}

static void check(const osp_facts *f, osp_findings *out)
{
    osp_under u;
    double simulated = 0, back = 0;
    if (!osp_under_weigh(f, under, 0.5, least_share, &u) || u.low < least_share || u.marked.demand < demand_floor)
        return;
    for (uint32_t i = 0; i < f->nstack; i++) {
        engine e;
        if (matching(&f->stack[i], &e) == UINT32_MAX)
            continue;
        simulated += e == SIMULATED ? f->stack[i].share : 0;
        back += e == BACKTRACKING ? f->stack[i].share : 0;
    }
    /* One that matches fast may just have much to match. */
    const bool slow = simulated + back > 0.5 * u.share;
    osp_finding *x = osp_find(f, out, &osp_rule_expensive_regexp, back > simulated ? "backtracking" : NULL,
                              (slow ? 0.65 : 0.3) + 0.27 * osp_ramp(u.low, least_share, surely_share), u.share);
    if (!x)
        return;
    osp_arena *a = f->arena;
    const osp_call *what = u.who.call > u.who.stack->call ? u.who.call - 1 : u.who.call;
    osp_finding_blame(f, x, &u.who);
    x->summary = osp_arena_fmt(a, "%.*s matches by %.*s: %.0f %% of this process's CPU%s.",
                               STRF(osp_call_text(a, u.who.call)), STRF(what->func), 100 * u.share,
                               slow && simulated > back ? ", in the slow way of long texts and large patterns" : "");
    osp_finding_evidence(
        x,
        osp_arena_fmt(a, "± %.0f of its CPU matches regular expressions", 200 * osp_share_error(u.share, f->samples)),
        100 * u.share, "%", "samples");
    if (f->is_go)
        osp_finding_evidence(x, S("of its CPU simulates the pattern's automaton, a step for each byte"),
                             100 * simulated, "%", "samples");
    if (back > 0)
        osp_finding_evidence(x, S("of its CPU is in a matcher that goes back and tries again"), 100 * back, "%",
                             "samples");
    osp_finding_evidence(x,
                         u.marked.goid ? osp_arena_fmt(a, "of a core wanted by that; goroutine %llu most",
                                                       (unsigned long long)u.marked.goid)
                                       : S("of a core wanted by that"),
                         100 * u.marked.demand, "%", "schedstat");
    x->next = osp_arena_fmt(a,
                            "in %.*s: look for a fixed word first (strings.Contains), begin the pattern with one or "
                            "with ^, cut the text into lines",
                            STRF(u.who.call->func));
}
