/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of goroutines that grow: some are born while we look, and of the older ones none has moved. What ends does not count:
 * a pool whose goroutines end, or a wave that comes and goes, has as many that are gone. */
#include "diagnose/diagnose_internal.h"

static void check(const osp_facts *f, osp_findings *out);

const osp_rule osp_rule_goroutine_leak = {
    .name = "goroutine-leak",
    .asks = "do goroutines pile up that will never end?",
    .topic = "leaks",
    .more = "goroutines PID -diff 30s",
    .only_go = true,
    .title = "goroutines pile up",
    .order = 5,
    .after = "thread-explosion",
    .check = check,
};

/* Fewer births than these in the window are chance: connections and requests come in small numbers. */
static const uint32_t least_born = 10;
/* Of those that were there before, so many have not moved; twins whose goroutines work or end have next to none. */
static const double still_share = 0.9;

static bool is_http(const osp_group_fact *g, const char *loop)
{
    for (uint32_t i = 0; i < g->ncall; i++)
        if (osp_str_has(g->call[i].func, S("net/http.(*persistConn).")) &&
            osp_str_has(g->call[i].func, osp_str_from(loop)))
            return true;
    return false;
}

static bool waits(const osp_group_fact *g) { return g->status == OSP_G_WAITING || g->status == OSP_G_LEAKED; }

/* Born, still there, and nothing of its like ended: the group grows. Of those that go on now and then, as one that also waits for a
 * ticker, there must be many older ones of which none has ended. */
static bool grows(const osp_group_fact *g)
{
    uint32_t old = g->n - g->born;
    bool still = g->still >= still_share * old && g->gone_alike < 0.2 * g->born;
    bool none_ended = g->gone_alike < 0.02 * g->born && old > 0.5 * g->born && old >= 4 * least_born;
    return waits(g) && g->born >= least_born && (still || none_ended);
}

/* The request whose response was not closed, by the samples: who calls the client of net/http. */
static const osp_stack_fact *requester(const osp_facts *f, uint32_t *call)
{
    const osp_stack_fact *best = NULL;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        bool client = false;
        for (uint32_t k = 0; k < s->ncall; k++) {
            client = client || osp_str_starts(s->call[k].func, S("net/http.(*Client)")) ||
                     osp_str_starts(s->call[k].func, S("net/http.(*Transport).RoundTrip"));
            if (client && s->call[k].kind == OSP_CALL_GO) {
                if (!best || s->share > best->share) {
                    best = s;
                    *call = k;
                }
                break;
            }
        }
    }
    return best;
}

static const char *kind_of(const osp_group_fact *g)
{
    osp_at at = osp_at_of(g->call, g->ncall);
    if (is_http(g, "readLoop") || is_http(g, "writeLoop"))
        return at == OSP_AT_IO ? "HTTP connections" : "HTTP body";
    switch (at) {
    case OSP_AT_SEND:
        return "chan send";
    case OSP_AT_RECEIVE:
        return "chan receive";
    case OSP_AT_SELECT:
        return "select/context";
    case OSP_AT_MUTEX:
    case OSP_AT_READ_LOCK:
    case OSP_AT_WRITE_LOCK:
        return "lock";
    case OSP_AT_SLEEP:
        return "sleep";
    case OSP_AT_IO:
        return "IO wait";
    default:
        return "waiting";
    }
}

/* How sure: a send that nobody takes is a leak; a select may be a connection's writer, and connections may come and stay. */
static double confidence_of(const osp_facts *f, const osp_group_fact *g, const char *kind)
{
    double rate = g->born / f->goroutine.seconds;
    double base = !strcmp(kind, "IO wait") || !strcmp(kind, "sleep")                 ? 0.4
                  : !strcmp(kind, "HTTP connections")                                ? 0.55
                  : !strcmp(kind, "select/context") || !strcmp(kind, "chan receive") ? 0.72
                                                                                     : 0.8;
    if (base < 0.6)
        return base + 0.1 * osp_ramp(rate, 5, 50);
    /* Beside as many new goroutines in the poller it is what new connections bring. */
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *o = &f->goroutine.group[i];
        if (strcmp(kind, "select/context") == 0 && grows(o) && osp_at_of(o->call, o->ncall) == OSP_AT_IO &&
            o->born > 0.8 * g->born && o->born < 1.25 * g->born)
            return 0.5;
    }
    /* All of them were born while we looked: it may be the begin of something that stays. */
    double old = (double)(g->n - g->born) / g->n;
    if (old < 0.1 && g->n < 200)
        return 0.5;
    return base + 0.17 * osp_ramp(g->born, least_born, 60);
}

static const osp_group_fact *worst(const osp_facts *f)
{
    const osp_group_fact *best = NULL;
    double most = 0;
    for (uint32_t i = 0; i < f->goroutine.ngroup; i++) {
        const osp_group_fact *g = &f->goroutine.group[i];
        if (!grows(g))
            continue;
        /* A client's loops say more than the server's goroutines at the other end, and those of the program more than both. */
        double weight =
            g->born * (confidence_of(f, g, kind_of(g)) >= OSP_FOUND ? 4.0 : 1.0) * (is_http(g, "readLoop") ? 1.5 : 1);
        if (weight > most) {
            most = weight;
            best = g;
        }
    }
    return best;
}

static void say_object(const osp_facts *f, osp_finding *x, const osp_group_fact *g)
{
    osp_arena *a = f->arena;
    if (!g->nobject || g->object[0].kind != OSP_WAIT_CHAN)
        return;
    const osp_waited_fact *o = &g->object[0];
    if (g->objects > 1)
        osp_finding_evidence(x, S("that they wait on, each of its own; none has a goroutine at its other end"),
                             g->objects, "channels", "runtime");
    else
        osp_finding_evidence(
            x,
            osp_arena_fmt(a, "%.*s, %llu of %llu in it; %u send, %u receive",
                          STRF(o->name.n ? o->name : osp_arena_fmt(a, "0x%llx", (unsigned long long)o->addr)),
                          (unsigned long long)o->len, (unsigned long long)o->cap, o->out, o->in),
            1, "channel", "runtime");
}

static void say_timers(const osp_facts *f, osp_finding *x, const osp_group_fact *g)
{
    for (uint32_t i = 0; i < f->timers.ngroup; i++) {
        const osp_timer_fact *t = &f->timers.group[i];
        if (t->grown > 0.5 * g->born && t->grown < 2.0 * g->born)
            osp_finding_evidence(x,
                                 osp_arena_fmt(f->arena, "more %.*ss, with them", STRF(osp_timer_kind_text(t->kind))),
                                 (double)t->grown, "timers", "runtime");
    }
}

static void check(const osp_facts *f, osp_findings *out)
{
    const osp_group_fact *g = f->goroutine.known && f->goroutine.seconds > 0.5 ? worst(f) : NULL;
    if (!g)
        return;
    const char *kind = kind_of(g);
    double confidence = confidence_of(f, g, kind), rate = g->born / f->goroutine.seconds;
    osp_arena *a = f->arena;
    osp_finding *x = osp_find(f, out, &osp_rule_goroutine_leak, kind, confidence, 1);
    if (!x)
        return;
    osp_finding_blame_group(f, x, g);
    bool http = !strncmp(kind, "HTTP", 4);
    uint32_t at = 0;
    const osp_stack_fact *request = http ? requester(f, &at) : NULL;
    if (request)
        osp_finding_blame(f, x, &(osp_blamed){.call = &request->call[at], .stack = request});
    osp_str where = request ? osp_call_text(a, &request->call[at]) : osp_group_text(a, g);
    x->summary =
        http ? osp_arena_fmt(a, "%s%s%.*s: %.0f more connections with two goroutines each a second, %u now.",
                             !strcmp(kind, "HTTP body") ? "The bodies of HTTP responses are not closed"
                                                        : "Connections of HTTP clients pile up",
                             request ? ", which are asked for in " : "", STRF(request ? where : S("")), rate, g->n)
             : osp_arena_fmt(a, "%.0f goroutines a second stop in %.*s for ever (%.*s): %u now.", rate, STRF(where),
                             STRF(g->state), g->n);
    osp_finding_evidence(x, osp_arena_fmt(a, "born and not ended, of %u; %u like them ended", g->n, g->gone_alike),
                         rate, "goroutines/s", "runtime");
    osp_finding_evidence(x, osp_arena_fmt(a, "of the %u older ones never moved", g->n - g->born), g->still,
                         "goroutines", "runtime");
    if (g->most_s > 0)
        osp_finding_evidence(x, S("the oldest has waited, as far as the runtime knows"), g->most_s, "s", "runtime");
    if (g->creator.func.n)
        osp_finding_evidence(x, osp_arena_fmt(a, "their creator: %.*s", STRF(osp_call_text(a, &g->creator))), 1,
                             "source", "runtime");
    if (http && f->proc.known && f->proc.n > 1 && f->proc.moment[0].usage.fds != UINT32_MAX)
        osp_finding_evidence(
            x, osp_arena_fmt(a, "open descriptors more, now %u", f->proc.moment[f->proc.n - 1].usage.fds),
            (double)f->proc.moment[f->proc.n - 1].usage.fds - f->proc.moment[0].usage.fds, "descriptors", "/proc");
    say_object(f, x, g);
    say_timers(f, x, g);
    x->next = http ? S("close each response's body, on every way out; share one client and transport")
              : !strcmp(kind, "chan send")
                  ? S("give the channel a reader on every path, a buffer, or select on the context")
              : !strcmp(kind, "select/context")
                  ? S("call the context's cancel function (defer cancel()), or close the channel")
                  : S("let them end: close what they wait on, or give them a context");
    if (confidence < OSP_FOUND)
        x->next = osp_arena_fmt(a, "whether they end is seen by looking longer: osprey why %d -d 60", f->pid);
}
