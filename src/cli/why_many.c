/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes at once. Each is observed by a child of ours, which sends the facts as `--save` would keep them: one
 * that cannot be read, or that makes us fail, takes nothing from the others. */
#include "cli/why_many.h"

#include "base/file.h"
#include "cli/why_screen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FACTS_LIMIT = 64 << 20, ARENA_LIMIT = 1 << 30 };

/* ---- which processes ----------------------------------------------------------------------------------------------- */

static int by_cpu(const void *a, const void *b)
{
    const osp_process_row *x = a, *y = b;
    return (x->cpu_ns < y->cpu_ns) - (x->cpu_ns > y->cpu_ns);
}

static uint32_t pids_of_cgroup(const char *name, int pid[OSP_WHY_MOST], uint32_t *left_out, osp_err *err)
{
    osp_cgroup g;
    osp_arena a;
    osp_process_row *row;
    uint32_t n = 0, all = 0;
    osp_arena_init(&a, ARENA_LIMIT);
    if (osp_cgroup_find(osp_str_from(name), &g, err) && osp_cgroup_processes(&g, &a, &row, &all, err)) {
        qsort(row, all, sizeof *row, by_cpu);
        for (; n < all && n < OSP_WHY_MOST; n++)
            pid[n] = row[n].pid;
    }
    *left_out = all - n;
    osp_arena_drop(&a);
    return n;
}

static uint32_t pids_of_words(const osp_cli *cli, int pid[OSP_WHY_MOST], int *status)
{
    uint32_t n = 0;
    for (int i = 0; i < cli->noperand; i++) {
        uint64_t v;
        if (!osp_str_u64(osp_str_from(cli->operand[i]), 10, &v) || v == 0 || v > INT32_MAX) {
            *status = osp_cli_usage(cli, "`%s` is no process id", cli->operand[i]);
            return 0;
        }
        if (n == OSP_WHY_MOST) {
            *status = osp_cli_usage(cli, "at most %d processes at a time", OSP_WHY_MOST);
            return 0;
        }
        pid[n++] = (int)v;
    }
    return n;
}

uint32_t osp_why_pids(const osp_cli *cli, int pid[OSP_WHY_MOST], uint32_t *left_out, int *status)
{
    const char *group = osp_cli_value(cli, "cgroup");
    group = group ? group : osp_cli_value(cli, "container");
    osp_err err;
    *left_out = 0;
    if (!group)
        return pids_of_words(cli, pid, status);
    if (cli->noperand || cli->nrest || osp_cli_given(cli, "pid")) {
        *status = osp_cli_usage(cli, "give pids or a cgroup, not both");
        return 0;
    }
    uint32_t n = pids_of_cgroup(group, pid, left_out, &err);
    if (!n)
        *status = osp_cli_fail(&err);
    return n;
}

/* ---- the children -------------------------------------------------------------------------------------------------- */

/* A byte says what follows: facts, or the sentence of an error. */
static void observe_one(const osp_cli *cli, const osp_sample_opts *opts, int pid, int to)
{
    osp_sample_opts sample = *opts;
    osp_arena arena;
    osp_observed keep;
    osp_facts facts;
    osp_findings found;
    osp_err err, ignored;
    osp_buf out = osp_buf_of(FACTS_LIMIT);
    osp_arena_init(&arena, ARENA_LIMIT);
    sample.pid = pid;
    sample.progress = NULL;
    sample.objects = osp_objects_new(NULL);
    osp_why_opts why = {.sample = &sample, .no_probes = osp_cli_given(cli, "no-probes")};
    osp_buf_byte(&out, 'f');
    if (!sample.objects)
        osp_fail_memory(&err, "starting");
    if (!sample.objects || !osp_why_live(&why, &arena, &keep, &facts, &found, &err) ||
        !osp_facts_save(&facts, &out, &err)) {
        out.n = 0;
        osp_buf_fmt(&out, "e%s", err.msg);
    }
    (void)!osp_write_fd(to, osp_buf_str(&out), "pipe", &ignored); /* a parent that is gone asks for nothing */
}

typedef struct {
    pid_t child;
    int from; /* -1: it could not be started */
} observer;

static observer start(const osp_cli *cli, const osp_sample_opts *opts, int pid)
{
    int ends[2];
    if (pipe(ends) != 0)
        return (observer){.from = -1};
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        /* It ends with us, whatever becomes of us. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
            observe_one(cli, opts, pid, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    if (child > 0)
        return (observer){child, ends[0]};
    close(ends[0]);
    return (observer){.from = -1};
}

static void collect(observer *o, osp_arena *a, osp_why_target *t)
{
    osp_err err;
    osp_buf got = osp_buf_of(FACTS_LIMIT + 1);
    int pid = t->facts.pid;
    if (o->from < 0 || !osp_read_fd(o->from, &got, "pipe", &err) || !got.n) {
        t->error = S("osprey could not observe it");
    } else if (got.p[0] == 'e') {
        t->error = osp_arena_str(a, osp_str_skip(osp_buf_str(&got), 1));
    } else if (!osp_facts_load(osp_str_bytes(osp_str_skip(osp_buf_str(&got), 1)), a, &t->facts, &err)) {
        t->error = osp_arena_str(a, osp_str_from(err.msg));
        t->facts.pid = pid;
    } else {
        osp_diagnose(&t->facts, &t->found);
    }
    osp_buf_drop(&got);
    osp_close_fd(&o->from);
    if (o->child > 0)
        while (waitpid(o->child, NULL, 0) < 0 && errno == EINTR)
            continue;
}

/* ---- printing ------------------------------------------------------------------------------------------------------ */

static bool is_found(const osp_why_target *t) { return t->found.n && t->found.row[0].confidence >= OSP_FOUND; }

/* Those with something to say in whole, the others a line each. */
static void print_targets(const osp_cli *cli, const osp_why_target *t, uint32_t n, uint32_t left_out, osp_buf *out)
{
    uint32_t pages = 0;
    for (uint32_t i = 0; i < n; i++)
        if (is_found(&t[i])) {
            osp_buf_add(out, pages++ ? S("\n") : S(""));
            osp_why_screen(cli, &t[i].facts, &t[i].found, out);
        }
    osp_buf_add(out, pages ? S("\n") : S(""));
    for (uint32_t i = 0; i < n; i++) {
        if (t[i].error.n) {
            osp_paint(cli, out, OSP_YELLOW, "? ");
            osp_paint(cli, out, OSP_PLAIN, "pid %d: %.*s", t[i].facts.pid, STRF(t[i].error));
            osp_buf_byte(out, '\n');
        } else if (!is_found(&t[i])) {
            osp_paint(cli, out, OSP_GREEN, "✓ ");
            osp_paint(cli, out, OSP_PLAIN, "%.*s (pid %d): nothing wrong found in %.1f s, %.2f cores",
                      STRF(t[i].facts.process.name), t[i].facts.pid, (double)t[i].facts.window_ns / 1e9,
                      t[i].facts.cores_used);
            osp_buf_byte(out, '\n');
        }
    }
    if (left_out) {
        osp_paint(cli, out, OSP_DIM, "  %u more processes, which used less CPU, were not looked at", left_out);
        osp_buf_byte(out, '\n');
    }
}

int osp_why_many(const osp_cli *cli, const osp_sample_opts *opts, const int *pid, uint32_t n, uint32_t left_out)
{
    observer o[OSP_WHY_MOST];
    osp_why_target t[OSP_WHY_MOST];
    osp_arena arena;
    osp_arena_init(&arena, ARENA_LIMIT);
    for (uint32_t i = 0; i < n; i++) {
        t[i] = (osp_why_target){.facts = {.arena = &arena, .pid = pid[i]}};
        o[i] = start(cli, opts, pid[i]);
    }
    osp_progress(cli, "● observing %u processes for %.0f s", n, opts->seconds);
    bool found = false, looked = false;
    for (uint32_t i = 0; i < n; i++) {
        collect(&o[i], &arena, &t[i]);
        found = found || is_found(&t[i]);
        looked = looked || !t[i].error.n;
    }
    osp_progress_done(cli);
    osp_buf out = osp_buf_of(64 << 20);
    if (osp_cli_given(cli, "json"))
        osp_targets_json(t, n, &out);
    else
        print_targets(cli, t, n, left_out, &out);
    int status = found ? OSP_EXIT_FOUND : looked ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    status = osp_cli_answer(&out, status);
    osp_arena_drop(&arena);
    return status;
}
