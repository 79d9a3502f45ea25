/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of `osprey why`: the answer, its proof, the next command; 80 x 24 for one finding. A pure function of
 * facts and findings, so that its tests need no process. Text that comes from the process goes through osp_paint alone,
 * which makes it harmless. */
#include "cli/why_screen.h"

#include "cli/why_words.h"

#include <math.h>
#include <stdio.h>

/* Columns: where the text beside "evidence" and "chain" begins, and that of the foot. */
enum { LABEL = 15, FOOT = 13, WIDEST = 110 };

typedef struct {
    const osp_cli *cli;
    osp_buf *out;
    size_t columns;
} screen;

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* Write words of text from column `at` on, in lines that end at the screen's edge and begin again at `indent`. Returns
 * the column after it. */
static size_t flow(screen *s, osp_colour colour, size_t at, size_t indent, osp_str text)
{
    bool first = true;
    while (text.n) {
        osp_str word = osp_str_cut(&text, ' ');
        size_t width = osp_str_columns(word);
        if (!width)
            continue;
        if (!first && at + 1 + width > s->columns && at > indent) {
            osp_buf_byte(s->out, '\n');
            osp_buf_fill(s->out, ' ', indent);
            at = indent;
        } else if (!first) {
            osp_buf_byte(s->out, ' ');
            at++;
        }
        osp_paint(s->cli, s->out, colour, "%.*s", STRF(word));
        at += width;
        first = false;
    }
    return at;
}

static void label(screen *s, const char *text)
{
    osp_buf_fill(s->out, ' ', 4);
    osp_paint(s->cli, s->out, OSP_DIM, "%s", text);
    osp_buf_fill(s->out, ' ', LABEL - 4 - strlen(text));
}

static void labelled(screen *s, const char *name, osp_colour colour, osp_str text)
{
    label(s, name);
    flow(s, colour, LABEL, LABEL, text);
    osp_buf_byte(s->out, '\n');
}

/* A grey line of the foot. */
static void foot(screen *s, const char *name, osp_str text)
{
    osp_buf_fill(s->out, ' ', 2);
    osp_paint(s->cli, s->out, OSP_DIM, "%s", name);
    osp_buf_fill(s->out, ' ', FOOT - 2 - strlen(name));
    flow(s, OSP_DIM, FOOT, FOOT, text);
    osp_buf_byte(s->out, '\n');
}

/* Of words between dots, those that fit beside a name at the foot, and how many more there are. */
static osp_str one_line(const screen *s, osp_arena *a, osp_str words)
{
    enum { MORE = 14 };
    const osp_str dot = S(" · ");
    const size_t room = s->columns > FOOT + MORE ? s->columns - FOOT - MORE : 0;
    size_t kept = 0, more = 0;
    for (size_t at = 0; at < words.n;) {
        size_t end = at + osp_str_find(osp_str_skip(words, at), dot);
        end = end < words.n ? end : words.n;
        if (!more && osp_str_columns(osp_str_head(words, end)) <= room)
            kept = end;
        else
            more++;
        at = end + dot.n;
    }
    return more ? osp_arena_fmt(a, "%.*s · and %zu more", STRF(osp_str_head(words, kept)), more) : words;
}

/* A Go name without the directories of its import path: "…/api.(*Server).handle". */
static osp_str short_name(osp_arena *a, osp_str func)
{
    size_t end = 0, slash = func.n;
    while (end < func.n && func.p[end] != '(' && func.p[end] != '[')
        end++;
    for (size_t i = 0; i < end; i++)
        slash = func.p[i] == '/' ? i : slash;
    return slash < func.n ? osp_arena_fmt(a, "…%.*s", STRF(osp_str_skip(func, slash))) : func;
}

static osp_str duration_text(osp_arena *a, double s)
{
    if (s >= 86400)
        return osp_arena_fmt(a, "%.0f d %.0f h", floor(s / 86400), floor(fmod(s, 86400) / 3600));
    if (s >= 3600)
        return osp_arena_fmt(a, "%.0f h %.0f min", floor(s / 3600), floor(fmod(s, 3600) / 60));
    if (s >= 60)
        return osp_arena_fmt(a, "%.0f min %.0f s", floor(s / 60), floor(fmod(s, 60)));
    return osp_arena_fmt(a, "%.0f s", s);
}

/* ---- head -------------------------------------------------------------------------------------------------------- */

static void head(screen *s, const osp_facts *f)
{
    osp_arena *a = f->arena;
    osp_str go = f->go_version.n ? f->go_version : f->is_go ? S("Go") : S("no Go in it");
    osp_str left = f->from_files ? osp_arena_fmt(a, " (%.*s", STRF(go))
                                 : osp_arena_fmt(a, " (pid %d, %.*s, %u thread%s", f->pid, STRF(go),
                                                 f->process.nthreads, f->process.nthreads == 1 ? "" : "s");
    if (f->goroutines >= 0)
        left = osp_arena_fmt(a, "%.*s, %lld goroutine%s", STRF(left), (long long)f->goroutines,
                             f->goroutines == 1 ? "" : "s");
    osp_str right = !f->from_core ? osp_arena_fmt(a, "observed %.1f s", (double)f->window_ns / 1e9)
                    : f->died.n   ? osp_arena_fmt(a, "a core, of %.*s", STRF(f->died))
                                  : S("a core, copied while it ran");
    size_t used = osp_str_columns(f->process.name) + osp_str_columns(left) + 1;
    osp_str up = osp_arena_fmt(a, "up %.*s   %.*s", STRF(duration_text(a, f->uptime_s)), STRF(right));
    if (f->uptime_s > 0 && used + 2 + up.n <= s->columns)
        right = up;
    osp_paint(s->cli, s->out, OSP_BOLD, "%.*s", STRF(f->process.name));
    osp_paint(s->cli, s->out, OSP_PLAIN, "%.*s)", STRF(left));
    bool fits = used + 2 + right.n <= s->columns;
    osp_buf_add(s->out, fits ? S("") : S("\n"));
    osp_buf_fill(s->out, ' ', s->columns - right.n - (fits ? used : 0));
    osp_paint(s->cli, s->out, OSP_DIM, "%.*s", STRF(right));
    osp_buf_add(s->out, S("\n\n"));
}

static osp_colour domain_colour(osp_domain d)
{
    static const osp_colour colour[OSP_IN_DOMAINS] = {
        [OSP_IN_GO_USER] = OSP_BLUE,  [OSP_IN_GO_SCHEDULER] = OSP_CYAN, [OSP_IN_GO_GC] = OSP_CYAN,
        [OSP_IN_GO_ALLOC] = OSP_CYAN, [OSP_IN_GO_OTHER] = OSP_CYAN,     [OSP_IN_CGO_C] = OSP_YELLOW,
        [OSP_IN_C] = OSP_YELLOW,      [OSP_IN_VDSO] = OSP_MAGENTA,      [OSP_IN_KERNEL] = OSP_GREEN,
        [OSP_IN_UNKNOWN] = OSP_DIM,
    };
    return colour[d];
}

/* A bar in eighths of a column. */
static void bar(screen *s, osp_colour colour, double share, size_t width)
{
    static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t n = (size_t)(share * (double)width * 8 + 0.5);
    n = n < 1 ? 1 : n > width * 8 ? width * 8 : n;
    osp_buf b = osp_buf_of(1024);
    for (size_t i = 0; i < n / 8; i++)
        osp_buf_add(&b, S("█"));
    osp_buf_add(&b, osp_str_from(eighth[n % 8]));
    osp_paint(s->cli, s->out, colour, "%.*s", STRF(osp_buf_str(&b)));
    osp_buf_drop(&b);
    osp_buf_fill(s->out, ' ', width - (n + 7) / 8);
}

static void bars(screen *s, const osp_facts *f)
{
    osp_str cores = osp_arena_fmt(f->arena, "  CPU  %.2f of %u core%s", f->cores_used, f->host_cpus,
                                  f->host_cpus == 1 ? "" : "s");
    size_t left = cores.n + 3, width = s->columns - left - 22;
    bool shown[OSP_IN_DOMAINS] = {0};
    for (int row = 0; row < 5; row++) {
        int best = -1;
        for (int d = 0; d < OSP_IN_DOMAINS; d++)
            if (!shown[d] && f->in[d] >= 0.01 && (best < 0 || f->in[d] > f->in[best]))
                best = d;
        if (best < 0 && row)
            break;
        if (!row)
            osp_buf_add(s->out, cores);
        osp_buf_fill(s->out, ' ', row ? left : 3);
        if (best < 0) {
            osp_paint(s->cli, s->out, OSP_DIM, "no samples");
        } else {
            shown[best] = true;
            bar(s, domain_colour((osp_domain)best), f->in[best], width);
            osp_buf_fmt(s->out, "  %-14s %3.0f %%", osp_domain_text((osp_domain)best), 100 * f->in[best]);
        }
        osp_buf_byte(s->out, '\n');
    }
}

static void threads(screen *s, const osp_facts *f)
{
    osp_arena *a = f->arena;
    osp_str text = S("");
    double last = INFINITY, rest = 0;
    int last_tid = -1;
    uint32_t shown = 0, others = 0;
    for (; shown < 3; shown++) {
        const osp_thread_fact *best = NULL;
        for (uint32_t i = 0; i < f->nthread; i++) {
            const osp_thread_fact *t = &f->thread[i];
            if ((t->running < last || (t->running == last && t->tid > last_tid)) &&
                (!best || t->running > best->running || (t->running == best->running && t->tid < best->tid)))
                best = t;
        }
        if (!best || (shown && best->running < 0.005))
            break;
        text = osp_arena_fmt(a, "%.*s%s%d %.2f", STRF(text), shown ? " · " : "", best->tid, best->running);
        last = best->running;
        last_tid = best->tid;
    }
    for (uint32_t i = 0; i < f->nthread; i++)
        if (f->thread[i].running < last || (f->thread[i].running == last && f->thread[i].tid > last_tid)) {
            others++;
            rest += f->thread[i].running;
        }
    if (others)
        text = osp_arena_fmt(a, "%.*s · %u more %.2f", STRF(text), others, rest);
    text = osp_arena_fmt(a, "%.*s · in all %.2f (samples: %.2f)", STRF(text), f->cores_used, f->sampled_cores);
    osp_buf_add(s->out, S("  "));
    osp_paint(s->cli, s->out, OSP_DIM, "threads  ");
    flow(s, OSP_DIM, 11, 11, text);
    osp_buf_byte(s->out, '\n');
}

/* On a crowded host it gets less than it wants, and all that it does takes longer. */
static void waits(screen *s, const osp_facts *f)
{
    static const double much = 0.25, least_cores = 0.1;
    const double wanted = osp_cores_wanted(f), waited = wanted > 0 ? 1 - f->cores_used / wanted : 0;
    if (wanted < least_cores || waited < much || f->cgroup.throttled_per_s > 0)
        return;
    osp_str text = osp_arena_fmt(f->arena, "for a CPU %.0f %% of the time in which it could run", 100 * waited);
    if (f->host.known && f->host.load > f->host_cpus)
        text = osp_arena_fmt(f->arena, "%.*s: load %.0f on %u CPUs", STRF(text), f->host.load, f->host_cpus);
    osp_buf_add(s->out, S("  "));
    osp_paint(s->cli, s->out, OSP_DIM, "waits    ");
    flow(s, OSP_YELLOW, 11, 11, text);
    osp_buf_byte(s->out, '\n');
}

/* ---- growth ------------------------------------------------------------------------------------------------------ */

/* "RSS 48 MB +3.1 MB/s": what there is, and how fast it grows or shrinks where that is more than chance. */
static osp_str amount(const osp_facts *f, osp_str text, const char *name, const char *unit, osp_moment_value *value,
                      double least)
{
    double error, slope = osp_slope(&f->proc, value, &error), last = value(&f->proc.moment[f->proc.n - 1]);
    osp_str grows = S("");
    if (fabs(slope) > 4 * error && fabs(slope) * f->proc.seconds >= least)
        grows = osp_arena_fmt(f->arena, fabs(slope) < 10 ? " %+.1f%s/s" : " %+.0f%s/s", slope, unit);
    return osp_arena_fmt(f->arena, "%.*s%s%s %.0f%s%.*s", STRF(text), text.n ? " · " : "", name, last, unit,
                         STRF(grows));
}

static void holdings(screen *s, const osp_facts *f)
{
    const osp_process_fact *p = &f->proc;
    if (!p->known)
        return;
    const osp_moment *last = &p->moment[p->n - 1];
    osp_str text = amount(f, S(""), "RSS", " MB", osp_rss_mb, 4);
    if (last->goroutines >= 0)
        text = amount(f, text, "goroutines", "", osp_goroutines_at, 8);
    text = amount(f, text, "threads", "", osp_threads_at, 4);
    if (last->usage.fds != UINT32_MAX)
        text = amount(f, text, "descriptors", "", osp_fds_at, 4);
    osp_buf_add(s->out, S("  "));
    osp_paint(s->cli, s->out, OSP_DIM, "holds    ");
    flow(s, OSP_DIM, 11, 11, text);
    osp_buf_byte(s->out, '\n');
}

/* ---- a finding --------------------------------------------------------------------------------------------------- */

static void evidence(screen *s, const osp_facts *f, const osp_finding *x)
{
    size_t widest = 0;
    for (uint32_t i = 0; i < x->nevidence; i++) {
        size_t n = osp_str_columns(osp_evidence_value(f->arena, &x->evidence[i]));
        widest = n > widest && n <= 18 ? n : widest;
    }
    for (uint32_t i = 0; i < x->nevidence; i++) {
        const osp_evidence *e = &x->evidence[i];
        osp_str value = osp_evidence_value(f->arena, e);
        if (i)
            osp_buf_fill(s->out, ' ', LABEL);
        else
            label(s, "evidence");
        size_t n = osp_str_columns(value), at = LABEL + (n > widest ? n : widest) + 2;
        osp_paint(s->cli, s->out, OSP_PLAIN, "%.*s", STRF(value));
        osp_buf_fill(s->out, ' ', at - LABEL - n);
        size_t end = flow(s, OSP_PLAIN, at, at, e->what);
        size_t source = osp_str_columns(e->source);
        if (end + 2 + source <= s->columns) {
            osp_buf_fill(s->out, ' ', s->columns - end - source);
            osp_paint(s->cli, s->out, OSP_DIM, "%.*s", STRF(e->source));
        } else {
            osp_buf_byte(s->out, '\n');
            osp_buf_fill(s->out, ' ', s->columns - source);
            osp_paint(s->cli, s->out, OSP_DIM, "%.*s", STRF(e->source));
        }
        osp_buf_byte(s->out, '\n');
    }
}

/* The chain for a reader: what the runtime does at a goroutine's root and in the crossing is left out, a long middle
 * is counted. */
static void chain(screen *s, const osp_facts *f, const osp_finding *x)
{
    enum { HEAD = 3, TAIL = 5 };
    osp_arena *a = f->arena;
    const osp_call *keep[256];
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->nstack; i++) {
        const osp_call *c = &x->stack[i];
        bool hidden =
            c->kind == OSP_CALL_RUNTIME || (c->kind == OSP_CALL_CGO && !osp_str_has(c->func, S("_Cfunc_"))) ||
            (c->kind == OSP_CALL_CGO && osp_str_starts(c->func, S("_cgo_"))) || (c->kind == OSP_CALL_LIB && i < 3);
        if (!hidden && n < 256)
            keep[n++] = c;
    }
    if (!n && x->nstack)
        keep[n++] = &x->stack[x->nstack - 1];
    label(s, "chain");
    size_t at = LABEL;
    for (uint32_t i = 0; i < n; i++) {
        if (n > HEAD + TAIL + 1 && i == HEAD) {
            osp_buf_byte(s->out, ' ');
            at = flow(s, OSP_DIM, at + 1, LABEL, osp_arena_fmt(a, "→ … %u more …", n - HEAD - TAIL));
            i = n - TAIL;
        }
        osp_str name = short_name(a, keep[i]->func), where = S("");
        if (keep[i]->line > 0 && keep[i]->file.n)
            where = osp_arena_fmt(a, " (%.*s:%d)", STRF(osp_str_base(keep[i]->file)), keep[i]->line);
        else if (keep[i]->kind == OSP_CALL_C && keep[i]->named && i + 1 == n)
            where = osp_arena_fmt(a, " in %.*s", STRF(keep[i]->module));
        bool culprit = osp_str_eq(keep[i]->func, x->culprit.func);
        size_t width = osp_str_columns(name) + osp_str_columns(where) + (i ? 3 : 0);
        if (i && at + width > s->columns) {
            osp_buf_byte(s->out, '\n');
            osp_buf_fill(s->out, ' ', LABEL);
            osp_buf_add(s->out, S("→ "));
            at = LABEL + 2;
            width -= 3;
        } else if (i) {
            osp_buf_add(s->out, S(" → "));
        }
        osp_paint(s->cli, s->out, culprit ? OSP_BOLD : OSP_PLAIN, "%.*s", STRF(name));
        osp_paint(s->cli, s->out, OSP_DIM, "%.*s", STRF(where));
        at += width;
    }
    osp_buf_byte(s->out, '\n');
}

static void title(screen *s, const osp_facts *f, const osp_finding *x)
{
    const osp_rule *rule = osp_rule_of(x);
    const char *text = rule ? rule->title : x->verdict;
    osp_str right = x->kind ? osp_arena_fmt(f->arena, "%s (%s) · confidence %.2f", x->verdict, x->kind, x->confidence)
                            : osp_arena_fmt(f->arena, "%s · confidence %.2f", x->verdict, x->confidence);
    size_t used = 2 + osp_str_columns(osp_str_from(text)), wide = osp_str_columns(right);
    osp_paint(s->cli, s->out, OSP_RED, "✗ ");
    osp_paint(s->cli, s->out, OSP_BOLD, "%s", text);
    bool fits = used + 2 + wide <= s->columns;
    osp_buf_add(s->out, fits ? S("") : S("\n"));
    osp_buf_fill(s->out, ' ', s->columns > wide + (fits ? used : 0) ? s->columns - wide - (fits ? used : 0) : 0);
    osp_paint(s->cli, s->out, OSP_DIM, "%.*s", STRF(right));
    osp_buf_add(s->out, S("\n  "));
    flow(s, OSP_PLAIN, 2, 2, x->summary);
    osp_buf_byte(s->out, '\n');
}

/* A file name from the process's name; what would need quoting becomes a dash. */
static void file_name(const osp_facts *f, char name[16])
{
    osp_str_z(f->process.name, name, 16);
    for (char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (osp_is_digit(*c)) || *c == '.' || *c == '_'))
            *c = '-';
}

/* The commands that show more: the finding's own, else a profile. */
static void more(screen *s, const osp_facts *f, const osp_finding *x)
{
    char name[16];
    file_name(f, name);
    osp_str lines = x->more.n ? x->more
                              : osp_arena_fmt(f->arena,
                                              "osprey record %d -d 30 -o %s.pb.gz\n"
                                              "osprey pprof -top %s.pb.gz",
                                              f->pid, name, name);
    label(s, "more");
    for (bool first = true; lines.n; first = false) {
        osp_str line = osp_str_cut(&lines, '\n');
        osp_buf_fill(s->out, ' ', first ? 0 : LABEL);
        osp_paint(s->cli, s->out, OSP_PLAIN, "%.*s", STRF(line));
        osp_buf_byte(s->out, '\n');
    }
}

/* One that another finding explains: a line or two. */
static void consequence(screen *s, const osp_finding *x)
{
    osp_buf_add(s->out, S("  "));
    osp_paint(s->cli, s->out, OSP_DIM, "so also");
    osp_buf_fill(s->out, ' ', LABEL - 9);
    size_t at = flow(s, OSP_PLAIN, LABEL, LABEL, x->summary);
    osp_str name = osp_str_from(x->verdict);
    if (at + 2 + name.n <= s->columns) {
        osp_buf_fill(s->out, ' ', s->columns - at - name.n);
        osp_paint(s->cli, s->out, OSP_DIM, "%.*s", STRF(name));
    }
    osp_buf_byte(s->out, '\n');
}

/* ---- foot -------------------------------------------------------------------------------------------------------- */

static void completeness(screen *s, const osp_facts *f)
{
    osp_arena *a = f->arena;
    if (f->unsampled.n)
        foot(s, "unsampled", f->unsampled);
    else
        foot(s, "complete", osp_completeness(f));
    if (f->longer.n)
        foot(s, "longer", osp_arena_fmt(a, "observed for longer than usual: %.*s", STRF(f->longer)));
    if (f->disagree.n)
        foot(s, "differs",
             osp_arena_fmt(a, "/proc says %.2f cores, the samples %.2f: %.*s", f->cores_used, f->sampled_cores,
                           STRF(f->disagree)));
    if (f->sampling.gave_up[0])
        foot(s, "given up", osp_str_from(f->sampling.gave_up));
    if (f->go_unreadable.n)
        foot(s, "unread", osp_arena_fmt(a, "the Go runtime: %.*s", STRF(f->go_unreadable)));
}

/* ---- nothing found ----------------------------------------------------------------------------------------------- */

/* The two functions of the program itself that use the most. */
static osp_str busiest(const osp_facts *f)
{
    enum { MAX = 256 };
    struct {
        osp_str func;
        double share;
    } top[MAX];
    uint32_t n = 0;
    osp_str text = S("");
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        uint32_t k = 0, at = 0;
        while (at < s->ncall && s->call[at].kind != OSP_CALL_GO && s->call[at].kind != OSP_CALL_C)
            at++;
        if (at == s->ncall)
            continue;
        while (k < n && !osp_str_eq(top[k].func, s->call[at].func))
            k++;
        if (k == MAX)
            continue;
        if (k == n) {
            top[n].func = s->call[at].func;
            top[n++].share = 0;
        }
        top[k].share += s->share;
    }
    for (int round = 0; round < 2; round++) {
        uint32_t best = 0;
        for (uint32_t k = 1; k < n; k++)
            best = top[k].share > top[best].share ? k : best;
        if (!n || top[best].share < 0.05)
            break;
        text = osp_arena_fmt(f->arena, "%.*s%s%.*s %.0f %%", STRF(text), text.n ? ", " : "",
                             STRF(short_name(f->arena, top[best].func)), 100 * top[best].share);
        top[best].share = 0;
    }
    return text;
}

static void nothing(screen *s, const osp_facts *f)
{
    osp_arena *a = f->arena;
    osp_paint(s->cli, s->out, OSP_GREEN, "✓ ");
    if (f->from_files)
        osp_paint(s->cli, s->out, OSP_BOLD, "Nothing wrong found in these files, as far as they can tell");
    else if (f->from_core)
        osp_paint(s->cli, s->out, OSP_BOLD, "Nothing wrong found in this core, as far as one moment can tell");
    else
        osp_paint(s->cli, s->out, OSP_BOLD, "Nothing wrong found in %.1f s", (double)f->window_ns / 1e9);
    osp_str text = f->from_files ? osp_arena_fmt(a, "%.2f cores", f->cores_used)
                                 : osp_arena_fmt(a, "%.2f of %u cores", f->cores_used, f->host_cpus);
    double own = f->in[OSP_IN_GO_USER] + f->in[OSP_IN_CGO_C] + f->in[OSP_IN_C];
    osp_str top = busiest(f);
    if (f->samples)
        text = osp_arena_fmt(a, "%.*s, %.0f %% of it in the program's own code%s%.*s%s", STRF(text), 100 * own,
                             top.n ? " (by caller: " : "", STRF(top), top.n ? ")" : "");
    if (f->is_go && f->samples)
        text = osp_arena_fmt(a, "%.*s, collector %.0f %%", STRF(text), 100 * f->in[OSP_IN_GO_GC]);
    osp_buf_byte(s->out, '\n');
    if (f->from_core)
        return;
    osp_buf_add(s->out, S("  "));
    flow(s, OSP_PLAIN, 2, 2, osp_arena_fmt(a, "%.*s.", STRF(text)));
    osp_buf_byte(s->out, '\n');
}

void osp_why_screen(const osp_cli *cli, const osp_facts *f, const osp_findings *found, osp_buf *out)
{
    screen s = {cli, out, (size_t)(cli->columns < 60 ? 60 : cli->columns > WIDEST ? WIDEST : cli->columns)};
    uint32_t n = 0;
    while (n < found->n && found->row[n].confidence >= OSP_FOUND)
        n++;
    head(&s, f);
    if (!f->from_core) {
        bars(&s, f);
        threads(&s, f);
        waits(&s, f);
        holdings(&s, f);
    }
    osp_buf_byte(out, '\n');
    if (!n)
        nothing(&s, f);
    for (uint32_t i = 0; i < n; i++) {
        const osp_finding *x = &found->row[i];
        if (x->because) {
            consequence(&s, x);
            continue;
        }
        if (i)
            osp_buf_byte(out, '\n');
        title(&s, f, x);
        evidence(&s, f, x);
        if (x->nstack)
            chain(&s, f, x);
        if (x->note.n)
            labelled(&s, "pprof", OSP_PLAIN, x->note);
        labelled(&s, "do", OSP_PLAIN, x->next);
        if (i == 0)
            more(&s, f, x);
    }
    for (uint32_t i = n; i < found->n; i++)
        foot(&s, "perhaps",
             osp_arena_fmt(f->arena, "%s (confidence %.2f): %.*s", found->row[i].verdict, found->row[i].confidence,
                           STRF(found->row[i].summary)));
    osp_buf_byte(out, '\n');
    osp_str ruled_out = osp_ruled_out(f, found);
    if (ruled_out.n)
        foot(&s, "ruled out", n ? one_line(&s, f->arena, ruled_out) : ruled_out);
    completeness(&s, f);
}
