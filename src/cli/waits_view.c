/* SPDX-License-Identifier: Apache-2.0 */
/* What goroutines wait on, for people and programs. */
#include "cli/waits_view.h"
#include "cli/ps_table.h"

#include <stdio.h>

enum { CELL = 64 };

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* "0.4 s", "16 m", "3 h 12 m". */
static const char *span_text(int64_t ns, char buf[CELL])
{
    double s = (double)ns / 1e9;
    if (s < 60)
        snprintf(buf, CELL, s < 10 ? "%.1f s" : "%.0f s", s < 0 ? 0 : s);
    else
        osp_str_z(osp_age_text((uint64_t)s, buf, CELL), buf, CELL);
    return buf;
}

static void put_count(osp_buf *out, uint64_t n)
{
    char buf[CELL];
    osp_str text = osp_count_text(n, buf, sizeof buf);
    osp_buf_add(out, text);
}

static void put_bytes(osp_buf *out, uint64_t n)
{
    char buf[CELL];
    osp_buf_add(out, osp_bytes_text(n, buf, sizeof buf));
}

static void put_address(osp_buf *out, const char *what, const osp_wait_object *o, uint64_t addr)
{
    osp_buf_fmt(out, "%s 0x%llx", what, (unsigned long long)addr);
    if (o->name.n)
        osp_buf_fmt(out, " (%.*s)", STRF(o->name));
}

static const char *verb_of(const osp_wait_object *o)
{
    return o->wait.way == OSP_WAY_IN ? "receive from" : o->wait.way == OSP_WAY_OUT ? "send to" : "wait on";
}

/* Who else waits on it, and which way. */
static void put_others(const osp_wait_object *o, osp_buf *out)
{
    uint32_t in = o->in - (o->wait.way == OSP_WAY_IN ? o->n : 0);
    uint32_t sending = o->out - (o->wait.way == OSP_WAY_OUT ? o->n : 0);
    if (o->wait.way == OSP_WAY_UNKNOWN || in > o->all || sending > o->all)
        return;
    if (in) {
        osp_buf_add(out, S("; "));
        put_count(out, in);
        osp_buf_fmt(out, " other%s receive%s", in == 1 ? "" : "s", in == 1 ? "s" : "");
    }
    if (sending) {
        osp_buf_add(out, S("; "));
        put_count(out, sending);
        osp_buf_fmt(out, " other%s send%s", sending == 1 ? "" : "s", sending == 1 ? "s" : "");
    }
}

static void put_channel(const osp_wait_object *o, uint64_t taken_ns, osp_buf *out)
{
    char text[CELL];
    osp_buf_fmt(out, "%s ", verb_of(o));
    if (o->has_chan && o->chan.timed) {
        put_address(out, o->chan.period > 0 ? "a ticker's channel" : "a timer's channel", o, o->wait.addr);
        if (o->chan.period > 0)
            osp_buf_fmt(out, ", every %s", span_text(o->chan.period, text));
        if (taken_ns && o->chan.when > 0)
            osp_buf_fmt(out, ", due in %s", span_text(o->chan.when - (int64_t)taken_ns, text));
        return;
    }
    enum { TYPE_SHOWN = 40 };
    char kind[TYPE_SHOWN + CELL];
    const osp_str type = osp_str_head(o->elem, TYPE_SHOWN);
    snprintf(kind, sizeof kind,
             o->elem.n > TYPE_SHOWN ? "chan %.*s…"
             : o->elem.n            ? "chan %.*s"
                                    : "channel",
             STRF(type));
    put_address(out, kind, o, o->wait.addr);
    if (!o->has_chan)
        return;
    if (o->chan.cap == 0) {
        osp_buf_add(out, S(", unbuffered"));
    } else {
        osp_buf_add(out, S(", "));
        put_count(out, o->chan.len);
        osp_buf_add(out, S(" of "));
        put_count(out, o->chan.cap);
        osp_buf_add(out, S(" queued"));
    }
    if (o->chan.closed)
        osp_buf_add(out, S(", closed"));
    put_others(o, out);
}

static void put_lock(const osp_wait_object *o, osp_buf *out)
{
    const osp_lock *l = &o->lock;
    static const char *const what[] = {"on semaphore", "on mutex", "on RWMutex", "on RWMutex", "on WaitGroup"};
    put_address(out, what[o->kind], o, o->has_lock ? l->addr : o->wait.addr);
    if (!o->has_lock)
        return;
    switch (o->kind) {
    case OSP_LOCK_MUTEX:
        osp_buf_fmt(out, ": %s, ", l->locked ? l->starving ? "held, starving" : "held" : "free");
        put_count(out, (uint64_t)l->waiting);
        osp_buf_fmt(out, " wait%s", l->waiting == 1 ? "s" : "");
        break;
    case OSP_LOCK_WRITER:
        osp_buf_fmt(out, ": to write; %lld reader%s in it", (long long)l->left, l->left == 1 ? " is" : "s are");
        break;
    case OSP_LOCK_READER:
        osp_buf_add(out, S(": to read; a writer "));
        if (l->left)
            osp_buf_fmt(out, "waits for %lld reader%s", (long long)l->left, l->left == 1 ? "" : "s");
        else
            osp_buf_add(out, S("holds it"));
        break;
    default:
        osp_buf_fmt(out, ": %lld not done", (long long)l->left);
    }
}

static void put_socket(const osp_socket *s, osp_buf *out)
{
    osp_buf_fmt(out, "%s", s->kind);
    if (s->local.n)
        osp_buf_fmt(out, " %.*s", STRF(s->local));
    if (s->peer.n)
        osp_buf_fmt(out, " → %.*s", STRF(s->peer));
    if (*s->state)
        osp_buf_fmt(out, " %s", s->state);
    bool listens = strcmp(s->state, "listens") == 0;
    if (s->unread) {
        osp_buf_add(out, S(", "));
        if (listens)
            put_count(out, s->unread);
        else
            put_bytes(out, s->unread);
        osp_buf_add(out, listens ? S(" not accepted yet") : S(" unread"));
    }
    if (s->unsent && !listens) {
        osp_buf_add(out, S(", "));
        put_bytes(out, s->unsent);
        osp_buf_add(out, S(" unsent"));
    }
}

static void put_fd(const osp_wait_object *o, osp_buf *out)
{
    osp_buf_fmt(out, "%s fd %lld",
                o->wait.way == OSP_WAY_OUT  ? "write to"
                : o->wait.way == OSP_WAY_IN ? "read"
                                            : "wait on",
                (long long)o->wait.value);
    if (o->has_socket) {
        osp_buf_add(out, S(": "));
        put_socket(&o->socket, out);
    } else if (o->file.n) {
        osp_buf_fmt(out, ": %.*s", STRF(o->file));
    }
}

void osp_wait_words(const osp_wait_object *o, uint64_t taken_ns, osp_buf *out)
{
    switch (o->wait.kind) {
    case OSP_WAIT_CHAN:
        put_channel(o, taken_ns, out);
        break;
    case OSP_WAIT_SEMAPHORE:
        put_lock(o, out);
        break;
    case OSP_WAIT_CONDITION:
        put_address(out, "on sync.Cond", o, o->wait.addr);
        break;
    case OSP_WAIT_FD:
        put_fd(o, out);
        break;
    case OSP_WAIT_TIME:
        break;
    }
}

/* Who may hold a lock, who else has a channel. */
static void put_references(const osp_wait_object *o, osp_buf *out)
{
    enum { SHOWN = 3 };
    uint32_t shown = o->references < SHOWN ? o->references : SHOWN;
    if (!shown)
        return;
    osp_buf_fmt(out, "%s goroutine%s ",
                o->wait.kind == OSP_WAIT_CHAN ? "; also on the stack of" : "; held perhaps by", shown > 1 ? "s" : "");
    for (uint32_t i = 0; i < shown; i++)
        osp_buf_fmt(out, "%s%llu", i ? ", " : "", (unsigned long long)o->reference[i]);
    if (o->references > shown) {
        osp_buf_add(out, S(" and "));
        put_count(out, o->references - shown);
        osp_buf_add(out, S(" more"));
    }
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static void put_line(const osp_cli *cli, const osp_waits_look *look, osp_buf *text, osp_buf *out)
{
    osp_str line = osp_buf_str(text);
    size_t room = look->columns > look->margin ? look->columns - look->margin : SIZE_MAX;
    bool cut = osp_str_columns(line) > room;
    while (cut && osp_str_columns(line) >= room) {
        do
            line.n--;
        while (line.n && ((unsigned char)line.p[line.n] & 0xc0) == 0x80);
    }
    osp_buf_fill(out, ' ', look->margin);
    osp_paint(cli, out, OSP_DIM, "%.*s%s", STRF(line), cut ? "…" : "");
    osp_buf_byte(out, '\n');
    text->n = 0;
}

/* What the sockets of a group have in common. */
static void put_sockets(const osp_group_waits *w, osp_buf *out)
{
    put_count(out, w->sockets);
    osp_buf_add(out, S(" sockets: "));
    if (w->unread) {
        put_count(out, w->unread);
        osp_buf_add(out, S(" with "));
        put_bytes(out, w->unread_bytes);
        osp_buf_add(out, S(" unread"));
    } else {
        osp_buf_add(out, S("nothing unread"));
    }
    if (w->unsent) {
        osp_buf_add(out, S(", "));
        put_count(out, w->unsent);
        osp_buf_add(out, S(" with "));
        put_bytes(out, w->unsent_bytes);
        osp_buf_add(out, S(" unsent"));
    }
}

static const char *plural_of(const osp_group_waits *w)
{
    static const char *const name[] = {
        [OSP_WAIT_CHAN] = "channels", [OSP_WAIT_SEMAPHORE] = "locks", [OSP_WAIT_FD] = "descriptors"};
    osp_wait_kind kind = w->row[0].wait.kind;
    return kind < sizeof name / sizeof *name && name[kind] ? name[kind] : "objects";
}

void osp_waits_lines(const osp_cli *cli, const osp_group_waits *w, uint32_t n, uint64_t taken_ns,
                     const osp_waits_look *look, osp_buf *out)
{
    char first[CELL], last[CELL];
    osp_buf text = osp_buf_of(1 << 16);
    if (w->first_ns != INT64_MIN) {
        osp_buf_fmt(&text, n == 1 ? "sleeps for %s more" : "sleep for %s", span_text(w->first_ns, first));
        if (n > 1)
            osp_buf_fmt(&text, " … %s more", span_text(w->last_ns, last));
        put_line(cli, look, &text, out);
    }
    if (w->sockets > 1) {
        put_sockets(w, &text);
        put_line(cli, look, &text, out);
    }
    uint32_t shown = w->n < look->most ? w->n : look->most;
    for (uint32_t i = 0; i < shown; i++) {
        if (n > 1 && w->row[i].n == n)
            osp_buf_add(&text, S("all "));
        if (n > 1 && (w->row[i].n > 1 || w->row[i].wait.kind != OSP_WAIT_FD)) {
            put_count(&text, w->row[i].n);
            osp_buf_byte(&text, ' ');
        }
        osp_wait_words(&w->row[i], taken_ns, &text);
        put_references(&w->row[i], &text);
        put_line(cli, look, &text, out);
    }
    if (w->all > shown && shown) {
        osp_buf_add(&text, S("and "));
        put_count(&text, w->all - shown);
        osp_buf_fmt(&text, " more %s", plural_of(w));
        put_line(cli, look, &text, out);
    }
    if (w->known < w->waiting) {
        osp_buf_add(&text, S("of "));
        put_count(&text, w->waiting - w->known);
        osp_buf_add(&text, S(" it is not known what they wait on"));
        put_line(cli, look, &text, out);
    }
    osp_buf_drop(&text);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static void put_hex(osp_json *j, const char *key, uint64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)v);
    osp_json_str(j, key, osp_str_from(text));
}

static void json_channel(osp_json *j, const osp_wait_object *o, uint64_t taken_ns)
{
    osp_json_uint(j, "receivers", o->in);
    osp_json_uint(j, "senders", o->out);
    if (!o->has_chan)
        return;
    osp_json_uint(j, "length", o->chan.len);
    osp_json_uint(j, "capacity", o->chan.cap);
    if (o->elem.n)
        osp_json_str(j, "element_type", o->elem);
    osp_json_bool(j, "closed", o->chan.closed);
    if (!o->chan.timed)
        return;
    osp_json_bool(j, "timer", true);
    if (o->chan.period > 0)
        osp_json_int(j, "period_ns", o->chan.period);
    if (taken_ns && o->chan.when > 0)
        osp_json_int(j, "due_in_ns", o->chan.when - (int64_t)taken_ns);
}

static void json_lock(osp_json *j, const osp_wait_object *o)
{
    if (!o->has_lock)
        return;
    put_hex(j, "lock", o->lock.addr);
    if (o->kind == OSP_LOCK_MUTEX) {
        osp_json_bool(j, "held", o->lock.locked);
        osp_json_bool(j, "starving", o->lock.starving);
    }
    if (o->kind == OSP_LOCK_GROUP)
        osp_json_int(j, "not_done", o->lock.left);
    if (o->kind == OSP_LOCK_READER || o->kind == OSP_LOCK_WRITER)
        osp_json_int(j, "readers", o->lock.left);
    if (o->lock.waiting >= 0)
        osp_json_int(j, "waiting", o->lock.waiting);
}

static void json_fd(osp_json *j, const osp_wait_object *o)
{
    osp_json_int(j, "fd", o->wait.value);
    if (o->file.n)
        osp_json_str(j, "file", o->file);
    if (!o->has_socket)
        return;
    osp_json_str(j, "socket", osp_str_from(o->socket.kind));
    if (o->socket.local.n)
        osp_json_str(j, "local", o->socket.local);
    if (o->socket.peer.n)
        osp_json_str(j, "peer", o->socket.peer);
    if (*o->socket.state)
        osp_json_str(j, "state", osp_str_from(o->socket.state));
    osp_json_uint(j, "unread", o->socket.unread);
    osp_json_uint(j, "unsent", o->socket.unsent);
}

static void json_object(osp_json *j, const osp_wait_object *o, uint64_t taken_ns)
{
    static const char *const kind[] = {"channel", "semaphore", "cond", "sleep", "descriptor"};
    static const char *const lock[] = {"semaphore", "mutex", "rwmutex_write", "rwmutex_read", "wait_group"};
    static const char *const way[] = {"unknown", "in", "out"};
    j->dense = true;
    osp_json_object(j, NULL);
    osp_json_str(j, "kind", osp_str_from(o->wait.kind == OSP_WAIT_SEMAPHORE ? lock[o->kind] : kind[o->wait.kind]));
    put_hex(j, "address", o->wait.addr);
    if (o->name.n)
        osp_json_str(j, "name", o->name);
    osp_json_uint(j, "count", o->n);
    osp_json_uint(j, "count_of_all", o->all);
    if (o->wait.kind == OSP_WAIT_CHAN || o->wait.kind == OSP_WAIT_FD)
        osp_json_str(j, "way", osp_str_from(way[o->wait.way]));
    if (o->wait.kind == OSP_WAIT_CHAN)
        json_channel(j, o, taken_ns);
    else if (o->wait.kind == OSP_WAIT_SEMAPHORE)
        json_lock(j, o);
    else if (o->wait.kind == OSP_WAIT_FD)
        json_fd(j, o);
    if (o->has_references) {
        osp_json_uint(j, "references", o->references);
        osp_json_array(j, "referenced_by");
        for (uint32_t i = 0; i < o->references && i < OSP_WAIT_REFERENCES; i++)
            osp_json_uint(j, NULL, o->reference[i]);
        osp_json_end(j);
    }
    osp_json_end(j);
    j->dense = false;
}

void osp_waits_json(osp_json *j, const osp_group_waits *w, uint64_t taken_ns)
{
    if (!w->waiting)
        return;
    osp_json_object(j, "waits");
    osp_json_uint(j, "count", w->waiting);
    osp_json_uint(j, "known", w->known);
    if (w->first_ns != INT64_MIN) {
        osp_json_int(j, "first_due_in_ns", w->first_ns);
        osp_json_int(j, "last_due_in_ns", w->last_ns);
    }
    if (w->sockets) {
        osp_json_uint(j, "sockets", w->sockets);
        osp_json_uint(j, "sockets_unread", w->unread);
        osp_json_uint(j, "sockets_unsent", w->unsent);
        osp_json_uint(j, "unread_bytes", w->unread_bytes);
        osp_json_uint(j, "unsent_bytes", w->unsent_bytes);
    }
    osp_json_uint(j, "objects_in_all", w->all);
    osp_json_array(j, "objects");
    for (uint32_t i = 0; i < w->n; i++)
        json_object(j, &w->row[i], taken_ns);
    osp_json_end(j);
    osp_json_end(j);
}
