/* SPDX-License-Identifier: Apache-2.0 */
/* The page of `osprey why --html`: the verdict in one sentence, what to do, the evidence, the chain of calls; beside it
 * where the CPU goes and what was ruled out; below how the process grew, and its flame graph. */
#include "cli/why_html.h"

#include "cli/cli_internal.h"
#include "cli/why_words.h"
#include "report/report.h"

#include <math.h>
#include <stdarg.h>

/* ---- text ---------------------------------------------------------------------------------------------------------- */

/* <tag>text</tag>, the tag with its attributes. */
static void element(osp_buf *out, const char *tag, osp_str s)
{
    osp_str name = osp_str_from(tag);
    osp_str closing = osp_str_cut(&name, ' ');
    osp_buf_fmt(out, "<%s>", tag);
    osp_buf_xml(out, s);
    osp_buf_fmt(out, "</%.*s>\n", STRF(closing));
}

static void heading(osp_buf *out, const char *s) { element(out, "h2", osp_str_from(s)); }

/* ---- a finding ----------------------------------------------------------------------------------------------------- */

static const char *origin_of(osp_call_kind k)
{
    switch (k) {
    case OSP_CALL_GO:
    case OSP_CALL_STD:
        return "user";
    case OSP_CALL_RUNTIME:
    case OSP_CALL_CGO:
        return "runtime";
    case OSP_CALL_C:
    case OSP_CALL_LIB:
        return "native";
    case OSP_CALL_VDSO:
        return "vdso";
    case OSP_CALL_KERNEL:
        return "kernel";
    default:
        return "unknown";
    }
}

static void chain(osp_buf *out, const osp_facts *f, const osp_finding *x)
{
    heading(out, "Call chain, caller first");
    osp_buf_add(out, S("<table class=\"chain\">\n"));
    for (uint32_t i = 0; i < x->nstack; i++) {
        const osp_call *c = &x->stack[i];
        bool culprit = osp_str_eq(c->func, x->culprit.func) && osp_str_eq(c->module, x->culprit.module);
        osp_buf_fmt(out, "<tr class=\"%s%s\">", origin_of(c->kind), culprit ? " c" : "");
        element(out, "td", c->func);
        element(out, "td class=\"s\"",
                c->line > 0 ? osp_arena_fmt(f->arena, "%.*s:%d", STRF(osp_str_base(c->file)), c->line) : c->module);
        osp_buf_add(out, S("</tr>\n"));
    }
    osp_buf_add(out, S("</table>\n"));
}

static void evidence(osp_buf *out, const osp_facts *f, const osp_finding *x)
{
    heading(out, "Evidence");
    osp_buf_add(out, S("<table>\n"));
    for (uint32_t i = 0; i < x->nevidence; i++) {
        osp_str value = osp_evidence_value(f->arena, &x->evidence[i]);
        osp_buf_add(out, S("<tr><td class=\"n\"><b>"));
        osp_buf_xml(out, osp_str_cut(&value, ' '));
        osp_buf_add(out, S("</b> <span class=\"sub\">"));
        osp_buf_xml(out, value);
        osp_buf_add(out, S("</span></td>"));
        element(out, "td", x->evidence[i].what);
        element(out, "td class=\"s\"", x->evidence[i].source);
        osp_buf_add(out, S("</tr>\n"));
    }
    osp_buf_add(out, S("</table>\n"));
}

static void finding(osp_buf *out, const osp_facts *f, const osp_finding *x)
{
    const osp_rule *rule = osp_rule_of(x);
    osp_buf_add(out, S("<section>\n<div><code class=\"id\">"));
    osp_buf_xml(out, osp_str_from(x->verdict));
    osp_buf_add(out, S("</code> <span class=\"sub\">"));
    if (x->kind) {
        osp_buf_xml(out, osp_str_from(x->kind));
        osp_buf_add(out, S(" · "));
    }
    osp_buf_fmt(out, "confidence %.2f", x->confidence);
    if (x->because) {
        osp_buf_add(out, S(" · a consequence of "));
        osp_buf_xml(out, osp_str_from(x->because));
    }
    osp_buf_add(out, S("</span></div>\n<h1><span class=\"bad\">✗</span> "));
    osp_buf_xml(out, osp_str_from(rule ? rule->title : x->verdict));
    osp_buf_add(out, S("</h1>\n"));
    element(out, "p", x->summary);
    heading(out, "What to do");
    element(out, "p", x->next);
    evidence(out, f, x);
    if (x->nstack)
        chain(out, f, x);
    if (x->more.n) {
        heading(out, "Look closer");
        element(out, "div class=\"cmd\"", x->more);
    }
    if (x->note.n) {
        osp_buf_add(out, S("<h2>go tool pprof</h2>\n"));
        element(out, "div class=\"note\"", x->note);
    }
    osp_buf_add(out, S("</section>\n"));
}

static void nothing(osp_buf *out, const osp_facts *f)
{
    osp_buf_fmt(
        out,
        "<section>\n<h1><span class=\"ok\">✓</span> Nothing wrong found in %.1f s</h1>\n<p>%.2f of %u cores.</p>\n",
        (double)f->window_ns / 1e9, f->cores_used, f->host_cpus);
    osp_buf_add(out, S("</section>\n"));
}

/* ---- beside it ----------------------------------------------------------------------------------------------------- */

static const char *domain_class(osp_domain d)
{
    static const char *const name[OSP_IN_DOMAINS] = {
        [OSP_IN_GO_USER] = "user",     [OSP_IN_GO_SCHEDULER] = "runtime",
        [OSP_IN_GO_GC] = "runtime",    [OSP_IN_GO_ALLOC] = "runtime",
        [OSP_IN_GO_OTHER] = "runtime", [OSP_IN_CGO_C] = "native",
        [OSP_IN_C] = "native",         [OSP_IN_VDSO] = "vdso",
        [OSP_IN_KERNEL] = "kernel",    [OSP_IN_UNKNOWN] = "unknown",
    };
    return name[d];
}

static void where_cpu_goes(osp_buf *out, const osp_facts *f)
{
    heading(out, "Where the CPU goes");
    osp_buf_fmt(out, "<div><span class=\"big\">%.2f</span> <span class=\"sub\">of %u cores</span></div>\n",
                f->cores_used, f->host_cpus);
    osp_buf_add(out, S("<div class=\"bar\">"));
    for (int d = 0; d < OSP_IN_DOMAINS; d++)
        if (f->in[d] >= 0.005)
            osp_buf_fmt(out, "<i class=\"%s\" style=\"flex:%.3f\"></i>", domain_class((osp_domain)d), f->in[d]);
    osp_buf_add(out, S("</div>\n<div class=\"legend\">\n"));
    for (int d = 0; d < OSP_IN_DOMAINS; d++)
        if (f->in[d] >= 0.005)
            osp_buf_fmt(out, "<i class=\"%s\"></i><span>%s</span><span>%.0f %%</span>\n", domain_class((osp_domain)d),
                        osp_domain_text((osp_domain)d), 100 * f->in[d]);
    osp_buf_add(out, S("</div>\n"));
}

static void beside(osp_buf *out, const osp_facts *f, const osp_findings *found)
{
    osp_buf_add(out, S("<aside><section>\n"));
    where_cpu_goes(out, f);
    heading(out, "Ruled out");
    osp_str topics = osp_ruled_out(f, found);
    osp_buf_add(out, S("<ul>\n"));
    while (topics.n) {
        size_t at = osp_str_find(topics, S(" · "));
        osp_buf_add(out, S("<li><span class=\"ok\">✓</span> "));
        osp_buf_xml(out, osp_str_head(topics, at));
        osp_buf_add(out, S("</li>\n"));
        topics = osp_str_skip(topics, at + S(" · ").n);
    }
    osp_buf_add(out, S("</ul>\n<h2>How complete this is</h2>\n"));
    element(out, "p class=\"sub\"", f->unsampled.n ? f->unsampled : osp_completeness(f));
    if (f->disagree.n)
        element(out, "p class=\"sub\"", f->disagree);
    if (f->longer.n)
        element(out, "p class=\"sub\"",
                osp_arena_fmt(f->arena, "Observed for longer than usual: %.*s", STRF(f->longer)));
    osp_buf_add(out, S("</section></aside>\n"));
}

/* ---- plots --------------------------------------------------------------------------------------------------------- */

static double heap(const osp_moment *m) { return (double)m->heap_live / 1e6; }

/* A line over time from zero up, in a box of 1000 x 100. */
static void plot(osp_buf *out, const osp_process_fact *p, const char *title, const char *unit,
                 osp_moment_value *value)
{
    double most = 0, first = value(&p->moment[0]), last = value(&p->moment[p->n - 1]);
    for (uint32_t i = 0; i < p->n; i++)
        most = fmax(most, value(&p->moment[i]));
    if (most <= 0 || p->seconds <= 0)
        return;
    osp_buf path = osp_buf_of(1 << 20);
    for (uint32_t i = 0; i < p->n; i++)
        osp_buf_fmt(&path, "%s%.1f %.1f", i ? "L" : "M", 1000 * (p->moment[i].at_s - p->moment[0].at_s) / p->seconds,
                    100 - 92 * value(&p->moment[i]) / most);
    osp_buf_fmt(
        out,
        "<div><h2>%s</h2><svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\">"
        "<path class=\"a\" d=\"%.*sL1000 100L0 100Z\"/><path class=\"l\" d=\"%.*s\"/></svg>"
        "<div class=\"sub\">%.0f → %.0f %s in %.1f s</div></div>\n",
        title, title, STRF(osp_buf_str(&path)), STRF(osp_buf_str(&path)), first, last, unit, p->seconds);
    osp_buf_drop(&path);
}

static void plots(osp_buf *out, const osp_facts *f)
{
    if (!f->proc.known)
        return;
    osp_buf_add(out, S("<section class=\"plots\">\n"));
    plot(out, &f->proc, "Resident memory", "MB", osp_rss_mb);
    plot(out, &f->proc, "Go heap", "MB", heap);
    plot(out, &f->proc, "Goroutines", "", osp_goroutines_at);
    plot(out, &f->proc, "Threads", "", osp_threads_at);
    plot(out, &f->proc, "Descriptors", "", osp_fds_at);
    osp_buf_add(out, S("</section>\n"));
}

static bool flame(osp_buf *out, const osp_facts *f, osp_err *err)
{
    osp_profile *p = osp_facts_profile(f, err);
    osp_report_opts o = osp_report_defaults();
    bool ok = p && osp_sample_index(p, S("cpu"), &o.query.value, err);
    osp_buf_add(out, S("<section class=\"flame\">\n"));
    o.argument = osp_arena_fmt(f->arena, "%.*s: CPU", STRF(f->process.name));
    ok = ok && osp_flame_graph(p, &o, false, out, err);
    osp_buf_add(out, S("</section>\n"));
    osp_profile_drop(p);
    return ok;
}

static void head(osp_buf *out, const osp_facts *f)
{
    osp_buf_add(out, S("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width\">\n"
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                       "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"));
    element(out, "title", osp_arena_fmt(f->arena, "Why %.*s?", STRF(f->process.name)));
    osp_buf_add(out, S("<style>\n"));
    osp_buf_add(out, osp_str_from(osp_why_css));
    osp_buf_add(out, S("</style>\n<header>"));
    element(out, "b", f->process.name);
    osp_str facts = osp_arena_fmt(f->arena, "pid %d · %.*s · %u thread%s", f->pid,
                                  STRF(f->go_version.n ? f->go_version : S("no Go in it")), f->process.nthreads,
                                  f->process.nthreads == 1 ? "" : "s");
    element(out, "span", facts);
    element(out, "span", osp_arena_fmt(f->arena, "observed %.1f s", (double)f->window_ns / 1e9));
    osp_buf_add(out, S("</header>\n<main>\n<div class=\"page\"><div>\n"));
}

bool osp_why_html(const osp_facts *f, const osp_findings *found, osp_buf *out, osp_err *err)
{
    bool any = false, ok = true;
    head(out, f);
    for (uint32_t i = 0; i < found->n; i++)
        if (found->row[i].confidence >= OSP_FOUND) {
            finding(out, f, &found->row[i]);
            any = true;
        }
    if (!any)
        nothing(out, f);
    osp_buf_add(out, S("</div>\n"));
    beside(out, f, found);
    osp_buf_add(out, S("</div>\n"));
    plots(out, f);
    if (f->samples)
        ok = flame(out, f, err);
    osp_buf_add(out, S("</main></html>\n"));
    return ok;
}
