/* SPDX-License-Identifier: Apache-2.0 */
/* osprey goroutines: all goroutines of a running process, or of a core, by their stacks. */
#include "base/file.h"
#include "cli/goroutines_screen.h"
#include "cli/image_operand.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const size_t ARENA_LIMIT = (size_t)1 << 30, TEXT_LIMIT = (size_t)4 << 30;

/* A stop lasts as long as reading does, a second for a million goroutines; after so many ms it ends whatever happens. */
enum {
    FILTERS = 32,
    ROWS_ON_SCREEN = 15,
    FREEZE_MS = 1000,
    FEW = 20000, /* goroutines whose stacks are looked through for who else has what is waited on */
};

static const osp_option options[] = {
    {"by", 'b', "WHAT", "groups by stack, creator, state, wait, or label=KEY (stack)"},
    {"with", 'w', "FILTER",
     "only those: TEXT anywhere in the stack; userloc=, curloc=, goloc=, startloc=, wait=TEXT; label=KEY or "
     "label=KEY=VALUE; "
     "running, waiting, user, locked; several by commas"},
    {"without", 'W', "FILTER", "all but those"},
    {"system", 's', NULL, "the runtime's own goroutines too"},
    {"goroutine", 'g', "ID", "this one alone, with its whole stack and addresses"},
    {"stacks", 't', NULL, "under each group its stack"},
    {"all", 'a', NULL, "all groups, where a terminal shows the first 15"},
    {"count", 'c', NULL, "print how many there are, nothing else"},
    {"diff", 0, "DURATION", "look twice, so far apart: 30s, 5m; how much each group grows a minute"},
    {"debug", 0, "1|2", "the text that net/http/pprof has for goroutine?debug=1 or debug=2"},
    {"output", 'o', "FILE", "write a profile: .pb.gz, .svg, .html, .folded …"},
    {"freeze", 0, NULL, "stop it while it is read, at most a second: all is of one moment"},
    OSP_CORE_OPTIONS,
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

/* What the command line asks for. */
typedef struct {
    osp_goroutine_query query;
    osp_goroutine_filter filter[FILTERS];
    uint64_t goid; /* 0: not one alone */
    double seconds;
    int debug;
} request;

/* ---- words ------------------------------------------------------------------------------------------------------ */

static bool read_by(const osp_cli *cli, request *r)
{
    static const char *const name[] = {"stack", "creator", "state", "wait"};
    osp_str by = osp_str_from(osp_cli_given(cli, "by") ? osp_cli_value(cli, "by") : "stack");
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (osp_str_eq(by, osp_str_from(name[i]))) {
            r->query.by = (osp_group_by)i;
            return true;
        }
    if (osp_str_starts(by, S("label=")) && by.n > 6) {
        r->query.by = OSP_BY_LABEL;
        r->query.label = osp_str_skip(by, 6);
        return true;
    }
    osp_cli_usage(cli, "--by: stack, creator, state, wait or label=KEY, not `%.*s`", STRF(by));
    return false;
}

static const struct {
    const char *word;
    int what;
    bool wants_text;
} filters[] = {
    {"userloc", OSP_WITH_USERLOC, true},   {"curloc", OSP_WITH_CURLOC, true},    {"goloc", OSP_WITH_GOLOC, true},
    {"startloc", OSP_WITH_STARTLOC, true}, {"wait", OSP_WITH_WAIT, true},        {"label", OSP_WITH_LABEL, true},
    {"running", OSP_WITH_RUNNING, false},  {"waiting", OSP_WITH_WAITING, false}, {"user", OSP_WITH_USER, false},
    {"locked", OSP_WITH_LOCKED, false},
};

/* One filter, "userloc=main.worker". What begins with no known word is looked for anywhere. */
static bool read_filter(const osp_cli *cli, osp_str word, osp_goroutine_filter *f)
{
    osp_str rest = word, head = osp_str_cut(&rest, '=');
    f->what = OSP_WITH_ANYWHERE;
    f->text = word;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (!osp_str_eq(head, osp_str_from(filters[i].word)) || (!filters[i].wants_text && head.n < word.n))
            continue;
        if (filters[i].wants_text && !rest.n) {
            osp_cli_usage(cli, "`%.*s` wants a text: %.*s=TEXT", STRF(head), STRF(head));
            return false;
        }
        f->what = filters[i].what;
        f->text = rest;
    }
    if (f->what == OSP_WITH_LABEL) {
        f->any_value = !osp_str_has(rest, S("="));
        f->text = osp_str_cut(&rest, '=');
        f->value = rest;
    }
    return true;
}

static bool read_filters(const osp_cli *cli, const char *option, bool without, request *r)
{
    osp_str rest = osp_str_from(osp_cli_given(cli, option) ? osp_cli_value(cli, option) : "");
    while (rest.n) {
        osp_str word = osp_str_cut(&rest, ',');
        if (r->query.nfilter == FILTERS) {
            osp_cli_usage(cli, "no more than %d filters", FILTERS);
            return false;
        }
        osp_goroutine_filter *f = &r->filter[r->query.nfilter++];
        if (!read_filter(cli, word, f))
            return false;
        f->without = without;
    }
    r->query.filter = r->filter;
    return true;
}

/* "30", "30s", "5m", "500ms". */
static bool read_duration(const osp_cli *cli, double *seconds)
{
    static const struct {
        const char *unit;
        double s;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"ms", 0.001}, {"h", 3600}};
    const char *text = osp_cli_value(cli, "diff");
    char *end = NULL;
    *seconds = 0;
    if (!text)
        return true;
    double v = strtod(text, &end);
    for (size_t i = 0; end != text && i < sizeof units / sizeof *units; i++)
        if (osp_str_eq(osp_str_from(end), osp_str_from(units[i].unit)) && v * units[i].s >= 0.01 &&
            v * units[i].s <= 86400) {
            *seconds = v * units[i].s;
            return true;
        }
    osp_cli_usage(cli, "--diff wants a time like 30s or 5m, not `%s`", text);
    return false;
}

static bool read_request(const osp_cli *cli, request *r)
{
    double debug;
    const char *g = osp_cli_value(cli, "goroutine");
    r->query.system = osp_cli_given(cli, "system");
    if (g && (!osp_str_u64(osp_str_from(g), 10, &r->goid) || !r->goid)) {
        osp_cli_usage(cli, "`%s` is no number of a goroutine", g);
        return false;
    }
    r->query.goid = r->goid;
    r->query.system |= r->goid != 0;
    if (!read_by(cli, r) || !read_filters(cli, "with", false, r) || !read_filters(cli, "without", true, r) ||
        !read_duration(cli, &r->seconds) || !osp_cli_number(cli, "debug", 1, 2, 0, &debug))
        return false;
    r->debug = (int)debug;
    if (r->debug || osp_cli_given(cli, "output"))
        r->query.by = OSP_BY_STACK;
    return true;
}

/* ---- printing --------------------------------------------------------------------------------------------------- */

static bool write_profile(const osp_cli *cli, const osp_goroutines_view *v, osp_buf *out, osp_err *err)
{
    const char *file = osp_cli_value(cli, "output");
    osp_buf packed = osp_buf_of(TEXT_LIMIT);
    osp_profile *p = osp_inspect_profile(v->in, v->list, v->groups, err);
    bool ok = p && osp_output_for(p, file, &packed, err) && osp_file_write(file, osp_buf_str(&packed), err);
    osp_profile_drop(p);
    osp_buf_drop(&packed);
    osp_buf_fmt(out, "%s  %u goroutines in %u groups\n", file, v->groups->ngoroutine, v->groups->n);
    return ok;
}

static bool print_one(const osp_cli *cli, const osp_goroutines_view *v, uint64_t goid, osp_buf *out, osp_err *err)
{
    if (v->groups->n == 0)
        return osp_fail(err, OSP_EABSENT, "there is no goroutine %llu in %.*s: it has ended, or never was",
                        (unsigned long long)goid, STRF(osp_inspect_image(v->in)->name));
    osp_goroutine_sheet(cli, v, &v->list->g[v->groups->row[0].member[0]], out);
    return true;
}

static bool print(const osp_cli *cli, const request *r, const osp_goroutines_view *v, osp_buf *out, osp_err *err)
{
    bool terminal = isatty(STDOUT_FILENO), json = osp_cli_given(cli, "json"), every = osp_cli_given(cli, "all");
    const osp_goroutines_look look = {
        .stacks = osp_cli_given(cli, "stacks"),
        .rows = terminal && !every ? ROWS_ON_SCREEN : 0,
        .columns = terminal ? (size_t)cli->columns : 0,
    };
    if (osp_cli_given(cli, "count"))
        osp_buf_fmt(out, "%u\n", v->groups->ngoroutine);
    else if (r->goid && !json)
        return print_one(cli, v, r->goid, out, err);
    else if (osp_cli_given(cli, "output"))
        return write_profile(cli, v, out, err);
    else if (r->debug == 1)
        return osp_goroutines_counts(v, out, err);
    else if (r->debug == 2)
        return osp_goroutines_traces(v, out, err);
    else if (json)
        osp_goroutines_json(v, out);
    else
        osp_goroutines_table(cli, v, &look, out);
    return true;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void wait_for(double seconds)
{
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&left, NULL); /* an interrupt ends it: what was measured until then is measured too */
}

static bool wants_waits(const osp_cli *cli, const request *r)
{
    return !r->debug && !osp_cli_given(cli, "count") && !osp_cli_given(cli, "output");
}

static bool ask_waits(osp_goroutines_view *v, osp_arena *a, osp_err *err)
{
    osp_group_waits *waits;
    if (!osp_inspect_waits(v->in, v->list, v->groups, FEW, a, &waits, err))
        return false;
    v->waits = waits;
    return true;
}

/* Of one moment. What is looked up for the first time takes long: that is done before anything has to stand still. */
static bool read_frozen(osp_goroutines_view *v, osp_image *image, osp_goroutine_list *list, osp_err *err)
{
    if (!osp_inspect_goroutines(v->in, list, err))
        return false;
    osp_goroutine_list_drop(list);
    osp_freeze *f = osp_freeze_begin(image->process, FREEZE_MS, err);
    if (!f)
        return false;
    const osp_image running = *image;
    osp_freeze_image(f, image);
    bool ok = osp_inspect_goroutines(v->in, list, err);
    v->frozen = true;
    (void)osp_freeze_end(f, &v->stop); /* the report says how it went */
    *image = running;
    return ok;
}

/* Read once, or twice and compare. */
static bool look(const osp_cli *cli, const request *r, osp_goroutines_view *v, osp_image *image, osp_arena *a,
                 osp_buf *out, osp_err *err)
{
    osp_goroutine_list list, first = {0};
    osp_goroutine_groups groups, before = {0};
    bool twice = r->seconds > 0;
    uint64_t since = 0;
    if (twice) {
        if (!osp_inspect_goroutines(v->in, &first, err))
            return false;
        bool ok = osp_inspect_groups(v->in, &first, &r->query, a, &before, err);
        since = first.taken_ns;
        osp_goroutine_list_drop(&first);
        if (!ok)
            return false;
        osp_progress(cli, "looking again in %g s", r->seconds);
        wait_for(r->seconds);
        osp_progress_done(cli);
    }
    bool frozen = osp_cli_given(cli, "freeze") && image->process;
    if (frozen ? !read_frozen(v, image, &list, err) : !osp_inspect_goroutines(v->in, &list, err))
        return false;
    v->seconds = twice ? (double)(list.taken_ns - since) / 1e9 : 0;
    v->list = &list;
    v->groups = &groups;
    bool ok = osp_inspect_groups(v->in, &list, &r->query, a, &groups, err) &&
              (!twice || osp_groups_compare(&groups, &before, err)) &&
              (!wants_waits(cli, r) || ask_waits(v, a, err)) && print(cli, r, v, out, err);
    osp_goroutine_list_drop(&list);
    return ok && (!out->failed || osp_fail_memory(err, "printing goroutines"));
}

static bool show(const osp_cli *cli, const request *r, osp_image *image, osp_objects *objects, osp_arena *a,
                 osp_buf *out, osp_err *err)
{
    osp_inspect *in = osp_inspect_open(image, objects, err);
    if (!in)
        return false;
    osp_goroutines_view v = {.in = in,
                             .name = osp_str_base(image->exe.n ? image->exe : image->name),
                             .by = r->query.by,
                             .label = r->query.label};
    bool ok = look(cli, r, &v, image, a, out, err);
    osp_inspect_close(in);
    return ok;
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static int cmd_goroutines(const osp_cli *cli)
{
    request r = {0};
    osp_image_operand of;
    int status;
    osp_arena a;
    osp_err err;
    if (!read_request(cli, &r))
        return OSP_EXIT_USAGE;
    osp_arena_init(&a, ARENA_LIMIT);
    osp_buf out = osp_buf_of(TEXT_LIMIT);
    if (osp_image_operand_open(cli, &of, &status)) {
        if (!show(cli, &r, &of.image, of.objects, &a, &out, &err))
            status = osp_cli_fail(&err);
        else
            status = osp_cli_answer(&out, OSP_EXIT_DONE);
    }
    osp_buf_drop(&out);
    osp_image_operand_drop(&of);
    osp_arena_drop(&a);
    return status;
}

const osp_command osp_command_goroutines = {
    .name = "goroutines",
    .args = "PID | CORE",
    .summary = "all goroutines by their stacks, without stopping the process",
    .examples =
        (const char *const[]){"goroutines 4711", "goroutines 4711 -with userloc=main.worker -t",
                              "goroutines 4711 -by creator", "goroutines 4711 -g 18", "goroutines 4711 -diff 30s",
                              "goroutines 4711 --freeze", "goroutines 4711 -debug 2",
                              "goroutines 4711 -o goroutines.pb.gz", "goroutines core.4711", NULL},
    .options = options,
    .run = cmd_goroutines,
};
