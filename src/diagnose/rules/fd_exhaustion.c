/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnose/diagnose_internal.h"

static uint32_t wants(const osp_facts *early);
static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_fd_exhaustion = {
    .name = "fd-exhaustion",
    .asks = "are there no descriptors left?",
    .topic = "descriptors",
    .more = "syscalls PID",
    .title = "no descriptors left",
    .order = 3,
    .wants = wants,
    .check = check,
};

/* A few are in use for a moment only. */
static bool is_full(const osp_facts *f)
{
    return f->fds.known && f->proc.fd_limit && f->fds.now + 3 >= f->proc.fd_limit;
}

static uint32_t wants(const osp_facts *early) { return is_full(early) ? OSP_ASK_CALLS : 0; }

static bool fails_for_it(const osp_place_fact *p, const void *ctx)
{
    (void)ctx;
    return osp_str_eq(p->label, S("EMFILE"));
}

static void check(const osp_facts *f, osp_findings *out)
{
    double failing = 0;
    osp_blamed who;
    for (uint32_t i = 0; i < f->calls.nplace; i++)
        failing += fails_for_it(&f->calls.place[i], NULL) ? f->calls.place[i].count : 0;
    if (!is_full(f) && failing <= 0)
        return;
    osp_finding *x = osp_find(f, out, &osp_rule_fd_exhaustion, NULL, failing > 0 ? 0.97 : 0.75, 1);
    if (!x)
        return;
    osp_arena *a = f->arena;
    bool known = osp_blame_places(f, f->calls.place, f->calls.nplace, fails_for_it, NULL, &who);
    if (known)
        osp_finding_blame(f, x, &who);
    x->summary = osp_arena_fmt(a, "%u descriptors are open and %llu are allowed%s%.*s.", f->fds.now,
                               (unsigned long long)f->proc.fd_limit, known ? ": it fails in " : "",
                               STRF(known ? osp_call_text(a, who.call) : S("")));
    osp_finding_evidence(x, osp_arena_fmt(a, "open, of %llu", (unsigned long long)f->proc.fd_limit), f->fds.now,
                         "descriptors", "/proc/fd");
    if (f->calls.known)
        osp_finding_evidence(x, S("calls that fail with EMFILE"), failing, "calls/s", "syscalls");
    for (uint32_t i = 0; i < f->fds.nkind && i < 2; i++)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "are of kind %.*s, as %.*s", STRF(f->fds.kind[i].kind), STRF(f->fds.kind[i].example)),
            f->fds.kind[i].now, "descriptors", "/proc/fd");
    x->next = S("find what keeps them open (the kinds above), wait before trying again, or raise the limit (ulimit "
                "-n, LimitNOFILE)");
}
