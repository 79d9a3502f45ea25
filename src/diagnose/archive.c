/* SPDX-License-Identifier: Apache-2.0 */
/* Facts to bytes and back; archive.h has the form. */
#include "diagnose/archive.h"

#include "diagnose/section.h"

#include <math.h>
#include <string.h>

static const char magic[] = "osprey facts\n";
enum { MAX_ARCHIVE = 256 << 20, MAX_ROWS = 1 << 22 };

/* ---- numbers and texts --------------------------------------------------------------------------------------------- */

static void put_number(osp_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        osp_buf_byte(b, (uint8_t)(v | 0x80));
    osp_buf_byte(b, (uint8_t)v);
}

void osp_arc_u64(osp_archive *x, uint64_t *v)
{
    if (!x->reading)
        put_number(x->out, *v);
    else
        *v = osp_cur_left(x->in) ? osp_cur_uvarint(x->in) : 0;
}

void osp_arc_i64(osp_archive *x, int64_t *v)
{
    uint64_t zigzag = (uint64_t)*v << 1 ^ (uint64_t)(*v >> 63);
    osp_arc_u64(x, &zigzag);
    *v = (int64_t)(zigzag >> 1 ^ -(zigzag & 1));
}

void osp_arc_u32(osp_archive *x, uint32_t *v)
{
    uint64_t wide = *v;
    osp_arc_u64(x, &wide);
    *v = wide <= UINT32_MAX ? (uint32_t)wide : UINT32_MAX;
}

void osp_arc_u8(osp_archive *x, uint8_t *v)
{
    uint64_t wide = *v;
    osp_arc_u64(x, &wide);
    *v = (uint8_t)wide;
}

void osp_arc_bool(osp_archive *x, bool *v)
{
    uint64_t wide = *v;
    osp_arc_u64(x, &wide);
    *v = wide != 0;
}

void osp_arc_i32(osp_archive *x, int32_t *v)
{
    int64_t wide = *v;
    osp_arc_i64(x, &wide);
    *v = wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

void osp_arc_f64(osp_archive *x, double *v)
{
    uint64_t bits;
    if (!x->reading) {
        memcpy(&bits, v, sizeof bits);
        for (int i = 0; i < 8; i++)
            osp_buf_byte(x->out, (uint8_t)(bits >> 8 * i));
        return;
    }
    bits = osp_cur_left(x->in) ? osp_cur_u64(x->in) : 0;
    memcpy(v, &bits, sizeof bits);
    *v = isfinite(*v) ? *v : 0; /* none is written */
}

void osp_arc_str(osp_archive *x, osp_str *v)
{
    bool fresh;
    if (!x->reading) {
        uint32_t id = osp_intern_put(&x->text, *v, &fresh);
        x->failed = x->failed || id == UINT32_MAX;
        put_number(x->out, id);
        if (fresh && id != UINT32_MAX) {
            put_number(x->out, v->n);
            osp_buf_add(x->out, *v);
        }
        return;
    }
    *v = S("");
    if (!osp_cur_left(x->in))
        return;
    uint64_t id = osp_cur_uvarint(x->in);
    if (id < x->text.n) {
        *v = x->text.text[id];
    } else if (id > x->text.n) {
        osp_cur_fail(x->in, "text %llu is not there", (unsigned long long)id);
    } else {
        uint64_t n = osp_cur_uvarint(x->in);
        osp_span bytes = osp_cur_bytes(x->in, n <= SIZE_MAX ? (size_t)n : SIZE_MAX);
        if (x->in->bad)
            return;
        *v = osp_arena_str(x->arena, osp_span_text(bytes));
        x->failed = x->failed || !v->p || osp_intern_add(&x->text, *v) == UINT32_MAX;
    }
}

void osp_arc_chars(osp_archive *x, char *text, size_t size)
{
    osp_str s = osp_str_from(text);
    osp_arc_str(x, &s);
    if (x->reading)
        osp_str_z(s, text, size);
}

void *osp_arc_room(osp_archive *x, const void *row, uint32_t *n, size_t size, size_t align)
{
    osp_arc_u32(x, n);
    if (!x->reading)
        return *n ? (void *)row : NULL;
    /* A row takes a byte at least: a number that cannot be must not cost memory. */
    if (*n > osp_cur_left(x->in) || *n > MAX_ROWS) {
        osp_cur_fail(x->in, "%u rows are more than there can be", *n);
        *n = 0;
    }
    void *room = *n ? osp_arena_take(x->arena, *n, size, align) : NULL;
    if (!room) {
        x->failed = x->failed || *n;
        *n = 0;
    }
    return room;
}

void osp_arc_call(osp_archive *x, osp_call *c)
{
    uint32_t kind = c->kind;
    osp_arc(x, &c->func);
    osp_arc(x, &c->file);
    osp_arc(x, &c->module);
    osp_arc(x, &c->line);
    osp_arc(x, &kind);
    osp_arc(x, &c->named);
    c->kind = kind <= OSP_CALL_KERNEL ? (osp_call_kind)kind : OSP_CALL_UNKNOWN;
}

void osp_arc_calls(osp_archive *x, const osp_call **call, uint32_t *n) { OSP_ARC_ROWS(x, call, n, osp_arc_call); }

void osp_arc_place(osp_archive *x, osp_place_fact *p)
{
    uint32_t in = p->in;
    osp_arc_calls(x, &p->call, &p->ncall);
    osp_arc(x, &p->tid);
    osp_arc(x, &p->goid);
    osp_arc(x, &p->count);
    osp_arc(x, &p->amount);
    osp_arc(x, &p->name);
    osp_arc(x, &p->label);
    osp_arc(x, &in);
    osp_arc(x, &p->descriptor);
    p->in = in < OSP_IN_DOMAINS ? (osp_domain)in : OSP_IN_UNKNOWN;
}

void osp_arc_events(osp_archive *x, osp_event_facts *e)
{
    osp_arc(x, &e->known);
    osp_arc(x, &e->seconds);
    osp_arc(x, &e->per_s);
    OSP_ARC_ROWS(x, &e->place, &e->nplace, osp_arc_place);
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

bool osp_facts_save(const osp_facts *f, osp_buf *out, osp_err *err)
{
    osp_archive x = {0};
    osp_facts copy = *f; /* the functions take what they write as what they may set */
    osp_buf body = osp_buf_of(MAX_ARCHIVE);
    osp_buf_add(out, osp_str_from(magic));
    for (const osp_section *const *s = osp_sections; *s; s++) {
        body.n = 0;
        x.out = &body;
        (*s)->transfer(&x, &copy);
        osp_intern_drop(&x.text); /* each section has texts of its own, so that a reader may skip one */
        x.text = (osp_intern){0};
        put_number(out, strlen((*s)->name));
        osp_buf_add(out, osp_str_from((*s)->name));
        put_number(out, body.n);
        osp_buf_add(out, osp_buf_str(&body));
    }
    bool failed = x.failed || body.failed || out->failed;
    osp_buf_drop(&body);
    return !failed || osp_fail_memory(err, "writing the facts");
}

bool osp_facts_is(osp_span head) { return osp_str_starts(osp_span_text(head), osp_str_from(magic)); }

bool osp_facts_load(osp_span file, osp_arena *a, osp_facts *f, osp_err *err)
{
    *f = (osp_facts){.arena = a, .goroutines = -1, .cgo_calls_per_s = -1, .sched_ticks_per_s = -1};
    if (!osp_facts_is(file))
        return osp_fail(err, OSP_EUSAGE, "this file holds no facts; they are made by  osprey why --save FILE PID");
    osp_cur c = osp_cur_on(file, "facts", err);
    osp_archive x = {.reading = true, .arena = a};
    osp_cur_skip(&c, sizeof magic - 1);
    while (osp_cur_left(&c) && !x.failed) {
        osp_span name = osp_cur_bytes(&c, (size_t)osp_cur_uvarint(&c));
        osp_cur body = osp_cur_sub(&c, (size_t)osp_cur_uvarint(&c), "facts");
        x.in = &body;
        for (const osp_section *const *s = osp_sections; *s && !c.bad; s++)
            if (osp_str_eq(osp_span_text(name), osp_str_from((*s)->name)))
                (*s)->transfer(&x, f);
        c.bad = c.bad || body.bad;
        osp_intern_drop(&x.text);
        x.text = (osp_intern){0};
    }
    if (x.failed)
        return osp_fail_memory(err, "reading the facts");
    return !c.bad;
}
