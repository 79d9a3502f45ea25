/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.c: the bytes of each source, from a file, a pipe or a server, decoded; all sources at once. What exists as a file
 * is one, whatever its name looks like. */
#include "source_internal.h"

#include "base/limit.h"
#include "format/format.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    MOST_AT_ONCE = 128,
    THREAD_STACK = 1 << 20,
    LONGEST_WHY = 1 << 16, /* a server's explanation */
    SLACK_S = 5,           /* beyond the time the user gives a server */
};

static bool fail(osp_fetch *f, const osp_err *err)
{
    osp_buf_fmt(&f->why, "%s", err->msg);
    return false;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static bool decode(osp_fetch *f, osp_file *bytes, osp_err *err)
{
    const osp_read_opts opts = {.name = osp_str_from(f->name)};
    osp_found found = {.note = ""};
    f->profile = osp_format_read(bytes, &opts, &found, err);
    osp_buf_fmt(&f->note, "%s", found.note);
    return f->profile || osp_fail_in(err, "parsing profile");
}

/* ---- servers --------------------------------------------------------------------------------------------------- */

static bool fetch_url(const osp_source_opts *o, const osp_net *net, osp_fetch *f)
{
    osp_err err;
    osp_http_answer answer;
    const osp_http_ask ask = {
        .url = f->url.p,
        .timeout_ms = (f->wait_s + SLACK_S) * 1000,
        .limit = osp_memory_limit(),
        .zeros_are_nothing = true,
        .tls_cert = o->tls_cert,
        .tls_key = o->tls_key,
        .tls_ca = o->tls_ca,
    };
    if (!osp_http(net, &ask, &answer, &err))
        return fail(f, &err);
    if (answer.status == 200) {
        osp_file bytes = {{(const uint8_t *)answer.body.p, answer.body.n}, false};
        return decode(f, &bytes, &err) || fail(f, &err);
    }
    osp_buf_fmt(&f->why, "server response: %s", answer.status_line);
    if (answer.go_pprof && strstr(answer.content_type, "text/plain"))
        osp_buf_fmt(&f->why, " - %.*s", STRF(osp_str_head(osp_buf_str(&answer.body), LONGEST_WHY - 256)));
    osp_buf_drop(&answer.body);
    return false;
}

static bool fetch_file(osp_fetch *f)
{
    osp_err err;
    osp_file bytes;
    return (osp_file_open_input(f->name, osp_memory_limit(), &bytes, &err) && decode(f, &bytes, &err)) ||
           fail(f, &err);
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

typedef struct {
    const osp_source_opts *opts;
    const osp_net *net;
    osp_fetch *fetch;
    size_t n;
    atomic_size_t next;
} crew;

static void *work(void *ctx)
{
    crew *c = ctx;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->n;) {
        osp_fetch *f = &c->fetch[i];
        if (f->why.n) /* it is no source at all */
            continue;
        if (f->url.n)
            fetch_url(c->opts, c->net, f);
        else
            fetch_file(f);
    }
    return NULL;
}

/* As many threads as can be had; this one works too. */
static void work_together(crew *c)
{
    pthread_t thread[MOST_AT_ONCE];
    size_t nthread = 0, most = c->n < MOST_AT_ONCE ? c->n : MOST_AT_ONCE;
    pthread_attr_t attr;
    if (most > 1 && pthread_attr_init(&attr) == 0) {
        pthread_attr_setstacksize(&attr, THREAD_STACK);
        while (nthread + 1 < most && pthread_create(&thread[nthread], &attr, work, c) == 0)
            nthread++;
        pthread_attr_destroy(&attr);
    }
    work(c);
    for (size_t i = 0; i < nthread; i++)
        pthread_join(thread[i], NULL);
}

/* "1h0m5s", as Go prints it. */
static void say_wait(const osp_source_opts *o)
{
    long long s = o->seconds, h = s / 3600, m = s / 60 % 60;
    if (h)
        osp_tell(o, "Please wait... (%lldh%lldm%llds)", h, m, s % 60);
    else if (m)
        osp_tell(o, "Please wait... (%lldm%llds)", m, s % 60);
    else
        osp_tell(o, "Please wait... (%llds)", s);
}

/* What is it? A file, if there is one. */
static void look_at(const osp_source_opts *o, osp_fetch *f)
{
    struct stat st;
    char text[64];
    if (strcmp(f->name, "-") == 0 || stat(f->name, &st) == 0)
        return;
    int why = errno;
    if (!osp_source_url(f->name, o->seconds, o->timeout, &f->url, &f->wait_s)) {
        osp_buf_fmt(&f->why, "stat %s: %s", f->name, osp_errno_text(why, text, sizeof text));
        return;
    }
    osp_tell(o, "Fetching profile over HTTP from %.*s", STRF(osp_buf_str(&f->url)));
    if (o->seconds > 0)
        say_wait(o);
    osp_buf_byte(&f->url, 0);
}

bool osp_fetch_all(const osp_source_opts *o, osp_fetch *f, size_t n, osp_net **net, osp_err *err)
{
    bool any_url = false;
    for (size_t i = 0; i < n; i++) {
        f[i].url = f[i].why = f[i].note = osp_buf_of(LONGEST_WHY);
        look_at(o, &f[i]);
        any_url |= f[i].url.n > 0;
    }
    if (any_url && !(*net = osp_net_open(err)))
        return false;
    crew c = {.opts = o, .net = *net, .fetch = f, .n = n};
    work_together(&c);
    return true;
}
