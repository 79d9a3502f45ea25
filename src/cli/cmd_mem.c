/* SPDX-License-Identifier: Apache-2.0 */
/* osprey mem: where the resident memory of a process goes. */
#include "base/clock.h"
#include "cli/go_target.h"
#include "cli/mem_screen.h"

#include <unistd.h>

enum { LINES = 20 };
static const size_t READING_LIMIT = 2u << 30;

static const osp_option options[] = {
    {"duration", 'd', "SECONDS", "read it twice, so far apart, and show what grew"},
    {"interval", 'i', "SECONDS", "a line for each interval, until Ctrl-C or --duration"},
    {"maps", 'm', NULL, "the mappings too, the largest first"},
    {"lines", 'n', "COUNT", "mappings shown; 0 = all (20)"},
    OSP_CORE_OPTIONS,
    {"json", 0, NULL, "one JSON object: docs/json.md"},
    {0},
};

/* A reading with what it lives in. */
typedef struct {
    osp_arena arena;
    osp_ledger ledger;
} reading;

typedef struct {
    const osp_cli *cli;
    osp_image_operand in;
    osp_go *go; /* NULL: there is none, or it cannot be read */
    osp_err why;
    double seconds, interval, lines;
    reading one, two;
    osp_buf out;
    bool silent; /* nobody reads any more */
} view;

static bool read_it(view *v, reading *r, osp_err *err)
{
    osp_arena_drop(&r->arena);
    osp_arena_init(&r->arena, READING_LIMIT);
    if (!osp_ledger_read(&v->in.image, v->go, &r->arena, &r->ledger, err))
        return false;
    if (!v->go && v->why.code != OSP_EABSENT) { /* it is a Go program, of which we understand nothing */
        r->ledger.is_go = true;
        r->ledger.why = v->why;
    }
    return true;
}

static bool flush(view *v, osp_err *err)
{
    bool ok = v->out.failed ? osp_fail_memory(err, "printing") : osp_cli_print(osp_buf_str(&v->out));
    v->silent = !ok && !v->out.failed;
    v->out.n = 0;
    return ok || (v->silent && osp_fail(err, OSP_EIO, "nobody reads any more"));
}

static bool print_intervals(view *v, osp_err *err)
{
    enum { SCREENFUL = 20 };
    const volatile sig_atomic_t *stop = osp_stop_flag();
    const uint64_t began = osp_monotonic_ns(), until = began + (uint64_t)(v->seconds * 1e9);
    reading *now = &v->one, *was = &v->two;
    for (uint64_t n = 0; !*stop && (n == 0 || osp_monotonic_ns() < until); n++) {
        if (n % SCREENFUL == 0 && (n == 0 || isatty(STDOUT_FILENO)))
            osp_mem_head(v->cli, &v->out);
        if (!read_it(v, now, err))
            return n > 0 && !v->in.image.alive(v->in.image.ctx); /* it has ended: that is all */
        osp_mem_line(&now->ledger, n ? &was->ledger : NULL, &v->out);
        if (!flush(v, err))
            return false;
        reading *last = now;
        now = was;
        was = last;
        osp_wait_until(began + (uint64_t)((double)(n + 1) * v->interval * 1e9), stop);
    }
    return true;
}

static bool print_screen(view *v, osp_err *err)
{
    const osp_cli *cli = v->cli;
    const bool twice = osp_cli_given(cli, "duration");
    if (!read_it(v, &v->one, err))
        return false;
    if (twice) {
        osp_progress(cli, "watching for %.0f s", v->seconds);
        osp_wait_until(v->one.ledger.taken_ns + (uint64_t)(v->seconds * 1e9), osp_stop_flag());
        osp_progress_done(cli);
        if (!read_it(v, &v->two, err))
            return false;
    }
    const osp_ledger *now = twice ? &v->two.ledger : &v->one.ledger, *was = twice ? &v->one.ledger : NULL;
    osp_str version = v->go ? osp_go_version(v->go) : S("");
    if (osp_cli_given(cli, "json")) {
        osp_mem_json(now, was, v->in.image.pid, version, osp_cli_given(cli, "maps"), &v->out);
        return flush(v, err);
    }
    osp_str who = osp_arena_fmt(&v->in.arena, "%.*s%s%.*s", STRF(v->in.whose), version.n ? ", " : "", STRF(version));
    osp_mem_screen(cli, now, was, who, &v->out);
    if (osp_cli_given(cli, "maps") && !osp_mem_maps(cli, now, (uint32_t)v->lines, &v->out))
        return osp_fail_memory(err, "printing");
    return flush(v, err);
}

static int show(view *v)
{
    osp_err err = {0};
    v->go = osp_go_open(&v->in.image, v->in.objects, &v->why);
    const bool lines = osp_cli_given(v->cli, "interval") && !osp_cli_given(v->cli, "json");
    const bool ok = lines ? print_intervals(v, &err) : print_screen(v, &err);
    osp_go_close(v->go);
    return ok ? OSP_EXIT_DONE : v->silent ? OSP_EXIT_FAILED : osp_cli_fail(&err);
}

static int cmd_mem(const osp_cli *cli)
{
    int status;
    view v = {.cli = cli, .out = osp_buf_of(1u << 30)};
    const double for_ever = 1e9;
    if (!osp_cli_number(cli, "duration", 0, 86400 * 365, for_ever, &v.seconds) ||
        !osp_cli_number(cli, "interval", 0.05, 86400, 1, &v.interval) ||
        !osp_cli_number(cli, "lines", 0, 1e9, LINES, &v.lines))
        return OSP_EXIT_USAGE;
    if (osp_image_operand_open(cli, &v.in, &status)) {
        const bool twice = osp_cli_given(cli, "interval") || osp_cli_given(cli, "duration");
        status =
            v.in.core && twice ? osp_cli_usage(cli, "what is in a core stands still: it is read once") : show(&v);
    }
    osp_image_operand_drop(&v.in);
    osp_arena_drop(&v.one.arena);
    osp_arena_drop(&v.two.arena);
    osp_buf_drop(&v.out);
    return status;
}

const osp_command osp_command_mem = {
    .name = "mem",
    .args = "PID | CORE",
    .summary = "where the resident memory of a process goes: Go heap, stacks, C, files",
    .examples = (const char *const[]){"mem 4711", "mem 4711 -d 30", "mem 4711 -i 5", "mem 4711 --maps -n 0",
                                      "mem core.4711", NULL},
    .options = options,
    .run = cmd_mem,
};
