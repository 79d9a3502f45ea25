/* SPDX-License-Identifier: Apache-2.0 */
/* Findings: made by rules, ranked here, written as JSON. */
#include "diagnose/diagnose_internal.h"

#include "base/json.h"

#include <stdio.h>

enum { MAX_FINDINGS = 32, MAX_EVIDENCE = 6 };

osp_finding *osp_find(const osp_facts *f, osp_findings *out, const osp_rule *rule, const char *kind,
                      double confidence, double share)
{
    if (!out->row)
        out->row = osp_new(f->arena, osp_finding, MAX_FINDINGS);
    if (!out->row || out->n == MAX_FINDINGS)
        return NULL;
    osp_finding *x = &out->row[out->n];
    osp_evidence *e = osp_new(f->arena, osp_evidence, MAX_EVIDENCE);
    if (!e)
        return NULL;
    out->n++;
    *x = (osp_finding){.verdict = rule->name,
                       .kind = kind,
                       .confidence = confidence,
                       .share = share,
                       .order = rule->order,
                       .evidence = e};
    return x;
}

void osp_finding_evidence(osp_finding *x, osp_str what, double value, const char *unit, const char *source)
{
    if (x->nevidence == MAX_EVIDENCE || !what.p)
        return;
    osp_evidence *e = (osp_evidence *)x->evidence;
    e[x->nevidence++] =
        (osp_evidence){.what = what, .value = value, .unit = osp_str_from(unit), .source = osp_str_from(source)};
}

void osp_finding_over_time(const osp_facts *f, osp_finding *x, osp_str what, double value, const char *unit,
                           const char *source)
{
    if (!f->from_core)
        osp_finding_evidence(x, what, value, unit, source);
}

/* The chain of a stack root to leaf, without what the kernel does below the last user frame. */
void osp_finding_blame(const osp_facts *f, osp_finding *x, const osp_blamed *b)
{
    x->culprit.func = b->call->func;
    x->culprit.file = b->call->file;
    x->culprit.module = b->call->module;
    x->culprit.line = b->call->line;
    uint32_t leaf = 0;
    while (leaf < b->stack->ncall && b->stack->call[leaf].kind == OSP_CALL_KERNEL)
        leaf++;
    osp_call *chain = osp_new(f->arena, osp_call, b->stack->ncall + 1);
    x->nstack = 0; /* who is blamed later is meant */
    if (!chain)
        return;
    for (uint32_t i = b->stack->ncall; i-- > leaf;)
        chain[x->nstack++] = b->stack->call[i];
    x->stack = chain;
}

osp_str osp_call_text(osp_arena *a, const osp_call *c)
{
    if (c->line > 0 && c->file.n)
        return osp_arena_fmt(a, "%.*s (%.*s:%d)", STRF(c->func), STRF(osp_str_base(c->file)), c->line);
    if (c->named && c->module.n)
        return osp_arena_fmt(a, "%.*s in %.*s", STRF(c->func), STRF(c->module));
    return c->func;
}

osp_str osp_rate_text(osp_arena *a, double per_s)
{
    if (per_s >= 999500)
        return osp_arena_fmt(a, "%.1f million", per_s / 1e6);
    if (per_s >= 9999.5)
        return osp_arena_fmt(a, "%.0f thousand", per_s / 1e3);
    return osp_arena_fmt(a, per_s < 9.95 && per_s > 0 ? "%.1f" : "%.0f", per_s);
}

const osp_rule *osp_rule_of(const osp_finding *x)
{
    for (const osp_rule *const *r = osp_rules; *r; r++)
        if (strcmp((*r)->name, x->verdict) == 0 &&
            (*r)->order == x->order) /* a verdict may have two: Go's, and C's */
            return *r;
    return NULL;
}

/* Found ones first, those that another one explains behind the rest. Among those: what explains far more, else the cause
 * before its consequences. */
static bool before(const osp_finding *a, const osp_finding *b)
{
    bool fa = a->confidence >= OSP_FOUND, fb = b->confidence >= OSP_FOUND;
    if (fa != fb)
        return fa;
    if (!fa)
        return a->confidence > b->confidence;
    if (!a->because != !b->because)
        return !a->because;
    if (a->share > 2 * b->share || b->share > 2 * a->share)
        return a->share > b->share;
    return a->order != b->order ? a->order < b->order : a->confidence > b->confidence;
}

/* The found one that its rule says would explain this one. */
static const char *explained_by(const osp_findings *all, const osp_finding *x)
{
    const osp_rule *rule = osp_rule_of(x);
    for (uint32_t i = 0; rule->after && i < all->n; i++)
        if (&all->row[i] != x && all->row[i].confidence >= OSP_FOUND &&
            osp_str_among(osp_str_from(all->row[i].verdict), rule->after))
            return all->row[i].verdict;
    return NULL;
}

/* "osprey goroutines 4711" */
static osp_str command_of(const osp_facts *f, const osp_rule *rule)
{
    osp_str words = osp_str_from(rule->more);
    size_t at = osp_str_find(words, S("PID"));
    if (!words.n || at == words.n)
        return S("");
    if (f->from_core) /* with what looks into cores, too */
        return osp_str_among(osp_str_head(words, at - 1), "goroutines threads timers mem gc sched")
                   ? osp_arena_fmt(f->arena, "osprey %.*s%.*s", STRF(osp_str_head(words, at)), STRF(f->core))
                   : S("");
    if (!f->pid)
        return S("");
    return osp_arena_fmt(f->arena, "osprey %.*s%d%.*s", STRF(osp_str_head(words, at)), f->pid,
                         STRF(osp_str_skip(words, at + 3)));
}

void osp_diagnose(const osp_facts *f, osp_findings *out)
{
    *out = (osp_findings){.arena = f->arena};
    for (const osp_rule *const *r = osp_rules; *r; r++)
        if (f->is_go || !(*r)->only_go)
            (*r)->check(f, out);
    for (uint32_t i = 0; i < out->n; i++) {
        out->row[i].because = explained_by(out, &out->row[i]);
        if (!out->row[i].more.n)
            out->row[i].more = command_of(f, osp_rule_of(&out->row[i]));
    }
    for (uint32_t i = 1; i < out->n; i++)
        for (uint32_t k = i; k > 0 && before(&out->row[k], &out->row[k - 1]); k--) {
            osp_finding t = out->row[k];
            out->row[k] = out->row[k - 1];
            out->row[k - 1] = t;
        }
}

static void finding_json(osp_json *j, const osp_finding *x)
{
    osp_json_object(j, NULL);
    osp_json_str(j, "verdict", osp_str_from(x->verdict));
    if (x->kind)
        osp_json_str(j, "kind", osp_str_from(x->kind));
    if (x->because)
        osp_json_str(j, "because", osp_str_from(x->because));
    osp_json_num(j, "confidence", (double)(int)(x->confidence * 100 + 0.5) / 100);
    osp_json_str(j, "summary", x->summary);
    osp_json_array(j, "evidence");
    for (uint32_t i = 0; i < x->nevidence; i++) {
        osp_json_object(j, NULL);
        osp_json_str(j, "what", x->evidence[i].what);
        osp_json_num(j, "value", x->evidence[i].value);
        osp_json_str(j, "unit", x->evidence[i].unit);
        osp_json_str(j, "source", x->evidence[i].source);
        osp_json_end(j);
    }
    osp_json_end(j);
    osp_json_object(j, "culprit");
    osp_json_str(j, "func", x->culprit.func);
    osp_json_str(j, "file", x->culprit.file);
    osp_json_int(j, "line", x->culprit.line);
    osp_json_str(j, "module", x->culprit.module);
    osp_json_end(j);
    osp_json_array(j, "stack");
    for (uint32_t i = 0; i < x->nstack; i++)
        osp_json_str(j, NULL, x->stack[i].func);
    osp_json_end(j);
    osp_json_str(j, "next", x->next);
    if (x->more.n)
        osp_json_str(j, "more", x->more);
    osp_json_end(j);
}

static void target_json(osp_json *j, const osp_facts *f, const osp_findings *found)
{
    osp_json_object(j, "process");
    osp_json_int(j, "pid", f->pid);
    osp_json_str(j, "name", f->process.name);
    osp_json_str(j, "exe", f->process.exe);
    if (f->is_go)
        osp_json_str(j, "go_version", f->go_version);
    if (f->stopped)
        osp_json_bool(j, "stopped", true);
    osp_json_end(j);
    if (f->from_core) {
        osp_json_object(j, "core");
        osp_json_str(j, "path", f->core);
        if (f->died.n)
            osp_json_str(j, "died", f->died);
        osp_json_end(j);
    }
    if (!f->from_core && !f->from_files) {
        osp_json_object(j, "cpu");
        osp_json_num(j, "used_cores", f->cores_used);
        osp_json_num(j, "wanted_cores", osp_cores_wanted(f));
        osp_json_uint(j, "host_cpus", f->host_cpus);
        if (f->host.known)
            osp_json_num(j, "host_load", f->host.load);
        osp_json_end(j);
    }
    osp_json_uint(j, "window_ns", f->window_ns);
    if (f->longer.n)
        osp_json_str(j, "longer", f->longer);
    if (f->unsampled.n)
        osp_json_str(j, "unsampled", f->unsampled);
    osp_json_array(j, "findings");
    for (uint32_t i = 0; i < found->n; i++)
        finding_json(j, &found->row[i]);
    osp_json_end(j);
}

void osp_findings_json(const osp_facts *f, const osp_findings *found, osp_buf *out)
{
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.why/1"));
    target_json(&j, f, found);
    osp_json_end(&j);
}

void osp_targets_json(const osp_why_target *target, uint32_t n, osp_buf *out)
{
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.why/1"));
    osp_json_array(&j, "targets");
    for (uint32_t i = 0; i < n; i++) {
        osp_json_object(&j, NULL);
        if (target[i].error.n) {
            osp_json_object(&j, "process");
            osp_json_int(&j, "pid", target[i].facts.pid);
            osp_json_end(&j);
            osp_json_str(&j, "error", target[i].error);
        } else {
            target_json(&j, &target[i].facts, &target[i].found);
        }
        osp_json_end(&j);
    }
    osp_json_end(&j);
    osp_json_end(&j);
}
