/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that samples: start, then run, take, name, hand over, again. It touches nothing of the other thread's but the
 * list of slices that wait, under a lock. */
#include "cli/top_worker.h"

#include "base/file.h"
#include "symbol/symbol.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WAITING = 16 /* slices; more are dropped, the oldest first, while the terminal stands still */ };

struct osp_top_worker {
    osp_top_sampling what;
    osp_kallsyms *kernel; /* of the thread alone */
    pthread_t thread;
    int wake;
    volatile sig_atomic_t stop;
    pthread_mutex_t lock; /* of what follows */
    osp_top_slice slice[WAITING];
    unsigned n;
    char note[sizeof(osp_err)];
    bool done;
};

static void wake_up(const osp_top_worker *w)
{
    const uint64_t one = 1;
    (void)!write(w->wake, &one, sizeof one); /* full: it is awake already */
}

static void say(osp_top_worker *w, osp_str note, bool done)
{
    pthread_mutex_lock(&w->lock);
    osp_str_z(note, w->note, sizeof w->note);
    w->done = done;
    pthread_mutex_unlock(&w->lock);
    wake_up(w);
}

static void hand_over(osp_top_worker *w, osp_top_slice *s)
{
    pthread_mutex_lock(&w->lock);
    if (w->n == WAITING) {
        osp_top_slice_drop(&w->slice[0]);
        memmove(&w->slice[0], &w->slice[1], (WAITING - 1) * sizeof *w->slice);
        w->n--;
    }
    w->slice[w->n++] = *s;
    pthread_mutex_unlock(&w->lock);
    wake_up(w);
}

/* What was sampled since the last time, with names. */
static bool take(osp_top_worker *w, osp_sampler *sampler, osp_err *err)
{
    osp_recording rec;
    osp_symbol_stats ignored;
    osp_top_slice slice;
    if (!osp_sampler_take(sampler, &rec, err))
        return false;
    const osp_symbol_sources from = {
        .object = rec.object, .nobject = rec.nobject, .jit = rec.jit, .this_kernel = true, .kept = &w->kernel};
    osp_profile *named = osp_symbolise(rec.profile, &from, &ignored, err);
    bool ok = named && osp_top_slice_of(&rec, named, &slice, err);
    if (ok)
        hand_over(w, &slice);
    osp_profile_drop(named);
    osp_recording_drop(&rec);
    return ok;
}

static bool sample(osp_top_worker *w, osp_sampler *sampler, osp_err *err)
{
    double seconds = w->what.first_s;
    for (bool on = true; on;) {
        on = osp_sampler_run(sampler, seconds);
        if (w->stop)
            return true;
        if (!take(w, sampler, err))
            return false;
        seconds = seconds * 2 < w->what.refresh_s ? seconds * 2 : w->what.refresh_s;
    }
    return true;
}

/* CPU, and waiting: of goroutines by the runtime's tables, of other threads by the scheduler's events, as far as this build
 * can record them. */
static osp_event_list events_for(int pid)
{
    osp_event_list list = {0};
    osp_err ignored; /* CPU alone is the least */
    osp_arena a;
    osp_go_brief brief = {0};
    osp_arena_init(&a, 1 << 20);
    osp_go_survey *survey = osp_go_survey_new(&ignored);
    if (survey)
        osp_go_survey_look(survey, pid, &a, &brief);
    osp_go_survey_drop(survey);
    osp_arena_drop(&a);
    if (!osp_event_list_parse(brief.is_go ? S("cpu,wait") : S("cpu,off-cpu"), NULL, &list, &ignored))
        list = (osp_event_list){0};
    return list;
}

/* With all events, else with CPU time alone. */
static osp_sampler *start_sampler(osp_sample_opts *opts, osp_err *err)
{
    opts->events = events_for(opts->pid);
    osp_sampler *s = osp_sampler_start(opts, err);
    if (s || opts->events.n < 2)
        return s;
    opts->events = (osp_event_list){0};
    return osp_sampler_start(opts, err);
}

static void *work(void *ctx)
{
    osp_top_worker *w = ctx;
    osp_err err = {0};
    osp_sample_opts opts = {.pid = w->what.pid,
                            .hz = w->what.hz,
                            .no_bpf = w->what.no_bpf,
                            .stop = &w->stop,
                            .objects = osp_objects_new(NULL)};
    osp_sampler *sampler = NULL;
    if (!opts.objects)
        osp_fail_memory(&err, "starting to sample");
    else
        sampler = start_sampler(&opts, &err);
    if (sampler)
        say(w, S(""), false);
    bool ok = sampler && sample(w, sampler, &err);
    say(w, ok ? S("it has ended") : osp_str_from(err.msg), true);
    osp_sampler_stop(sampler);
    osp_objects_drop(opts.objects);
    osp_kallsyms_close(w->kernel);
    return NULL;
}

/* Signals are for the thread that has the terminal. */
static bool start_thread(osp_top_worker *w, osp_err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int e = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e == 0 || osp_fail_errno(err, e, "starting to sample");
}

osp_top_worker *osp_top_worker_start(const osp_top_sampling *what, osp_err *err)
{
    osp_top_worker *w = calloc(1, sizeof *w);
    if (!w) {
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    w->what = *what;
    pthread_mutex_init(&w->lock, NULL);
    osp_str_z(S("starting to sample"), w->note, sizeof w->note);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake < 0)
        osp_fail_errno(err, errno, "starting to sample");
    else if (start_thread(w, err))
        return w;
    osp_close_fd(&w->wake);
    free(w);
    return NULL;
}

int osp_top_worker_wake(const osp_top_worker *w) { return w->wake; }

bool osp_top_worker_slice(osp_top_worker *w, osp_top_slice *out)
{
    uint64_t count;
    (void)!read(w->wake, &count, sizeof count);
    pthread_mutex_lock(&w->lock);
    bool any = w->n > 0;
    if (any) {
        *out = w->slice[0];
        w->n--;
        memmove(&w->slice[0], &w->slice[1], w->n * sizeof *w->slice);
    }
    pthread_mutex_unlock(&w->lock);
    return any;
}

osp_str osp_top_worker_note(osp_top_worker *w, char *text, size_t size)
{
    pthread_mutex_lock(&w->lock);
    osp_str_z(osp_str_from(w->note), text, size);
    pthread_mutex_unlock(&w->lock);
    return osp_str_from(text);
}

bool osp_top_worker_done(osp_top_worker *w)
{
    pthread_mutex_lock(&w->lock);
    bool done = w->done;
    pthread_mutex_unlock(&w->lock);
    return done;
}

void osp_top_worker_stop(osp_top_worker *w)
{
    if (!w)
        return;
    w->stop = 1;
    pthread_join(w->thread, NULL);
    for (unsigned i = 0; i < w->n; i++)
        osp_top_slice_drop(&w->slice[i]);
    osp_close_fd(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
