/* SPDX-License-Identifier: Apache-2.0 */
/* raw: everything that is in the profile after the filters, as text. */
#include "report/head.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    const osp_shown_profile *s;
    const osp_profile *p;
    osp_label_room room;
    osp_location_id *stack; /* room for one */
    osp_buf line;
    osp_buf *text;
} printing;

/* ---- header --------------------------------------------------------------------------------------------------- */

/* As Go prints a time: the zone twice, no zeros at the end of a second's parts. */
static void put_time(int64_t time_ns, osp_buf *out)
{
    const int64_t s = time_ns / 1000000000 - (time_ns % 1000000000 < 0);
    int64_t part = time_ns - s * 1000000000;
    const time_t t = (time_t)s;
    struct tm tm;
    char day[64], zone[64], parts[16] = "";
    if (part) {
        int digits = 9;
        for (; part % 10 == 0; part /= 10)
            digits--;
        snprintf(parts, sizeof parts, ".%0*" PRId64, digits, part);
    }
    if (localtime_r(&t, &tm) && strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &tm) &&
        strftime(zone, sizeof zone, "%z %Z", &tm))
        osp_buf_fmt(out, "Time: %s%s %s\n", day, parts, zone);
}

/* value / 10^digits without zeros at the end. */
static void put_fraction(uint64_t value, unsigned digits, const char *unit, osp_buf *out)
{
    uint64_t whole = 1;
    for (unsigned i = 0; i < digits; i++)
        whole *= 10;
    uint64_t part = value % whole;
    osp_buf_fmt(out, "%" PRIu64, value / whole);
    if (part) {
        for (; part % 10 == 0; part /= 10)
            digits--;
        osp_buf_fmt(out, ".%0*" PRIu64, (int)digits, part);
    }
    osp_buf_add(out, osp_str_from(unit));
}

/* As Go prints a duration with %.4v: the first four characters of "1h2m3.5s". */
static void put_duration(int64_t ns, osp_buf *out)
{
    char space[64];
    osp_buf all = {.p = space, .cap = sizeof space, .max = sizeof space};
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        osp_buf_byte(&all, '-');
    if (u >= 1000000000) {
        const uint64_t minutes = u / 60000000000, hours = minutes / 60;
        if (hours)
            osp_buf_fmt(&all, "%" PRIu64 "h", hours);
        if (minutes)
            osp_buf_fmt(&all, "%" PRIu64 "m", minutes % 60);
        put_fraction(u % 60000000000, 9, "s", &all);
    } else if (u >= 1000000) {
        put_fraction(u, 6, "ms", &all);
    } else if (u >= 1000) {
        put_fraction(u, 3, "\xc2\xb5s", &all);
    } else {
        osp_buf_fmt(&all, u ? "%" PRIu64 "ns" : "0s", u);
    }
    osp_str rest = osp_buf_str(&all);
    for (int i = 0; i < 4 && rest.n; i++)
        rest = osp_str_skip(rest, osp_str_utf8(rest));
    osp_buf_add(out, S("Duration: "));
    osp_buf_add(out, (osp_str){all.p, all.n - rest.n});
    osp_buf_byte(out, '\n');
}

static void put_line(osp_buf *out, osp_str what, osp_str text)
{
    osp_buf_add(out, what);
    osp_buf_add(out, text);
    osp_buf_byte(out, '\n');
}

static void put_types(printing *t)
{
    const osp_profile *p = t->p;
    t->line.n = 0;
    for (uint32_t i = 0; i < p->values.n; i++) {
        const osp_str type = osp_text(p, p->values.type[i].type);
        osp_buf_add(&t->line, type);
        osp_buf_byte(&t->line, '/');
        osp_buf_add(&t->line, osp_text(p, p->values.type[i].unit));
        if (osp_str_eq(type, osp_text(p, p->values.preferred)))
            osp_buf_add(&t->line, S("[dflt]"));
        osp_buf_byte(&t->line, ' ');
    }
    put_line(t->text, S("Samples:\n"), osp_str_trim(osp_buf_str(&t->line)));
}

static void header(printing *t)
{
    const osp_profile *p = t->p;
    for (uint32_t i = 0; i < p->comments.n; i++)
        put_line(t->text, S("Comment: "), osp_text(p, p->comments.text[i]));
    if (osp_text(p, p->doc_url).n)
        put_line(t->text, S("Doc: "), osp_text(p, p->doc_url));
    osp_buf_add(t->text, S("PeriodType: "));
    osp_buf_add(t->text, osp_text(p, p->period_type.type));
    put_line(t->text, S(" "), osp_text(p, p->period_type.unit));
    osp_buf_fmt(t->text, "Period: %" PRId64 "\n", p->period);
    if (p->time_ns)
        put_time(p->time_ns, t->text);
    if (p->duration_ns)
        put_duration(p->duration_ns, t->text);
    put_types(t);
}

/* ---- ids ------------------------------------------------------------------------------------------------------ */

static uint64_t location_id(const osp_profile *p, uint32_t i)
{
    return p->locations.wire_id ? p->locations.wire_id[i] : (uint64_t)i + 1;
}

static uint64_t mapping_id(const osp_profile *p, uint32_t i)
{
    return p->mappings.wire_id ? p->mappings.wire_id[i] : i;
}

/* ---- samples -------------------------------------------------------------------------------------------------- */

/* "key:[a b]"; numbers with their units if one of them has one. */
static void put_label(void *ctx, const osp_keyed_label *from, const osp_keyed_label *to, osp_buf *out)
{
    const osp_profile *p = ctx;
    bool units = false;
    for (const osp_keyed_label *l = from; l < to; l++)
        units |= from->numeric && l->label->unit.i;
    osp_buf_add(out, from->key);
    osp_buf_add(out, S(":["));
    for (const osp_keyed_label *l = from; l < to; l++) {
        osp_buf_add(out, l == from ? S("") : S(" "));
        if (!l->numeric) {
            osp_buf_add(out, osp_text(p, l->label->str));
            continue;
        }
        osp_buf_fmt(out, units ? "%" PRId64 " " : "%" PRId64, l->label->num);
        if (units)
            osp_buf_add(out, osp_text(p, l->label->unit));
    }
    osp_buf_byte(out, ']');
}

static void put_labels(printing *t, uint32_t set, bool numeric)
{
    t->line.n = 0;
    if (osp_put_labels(&t->room, &t->s->view, set, numeric, put_label, (void *)t->s->view.of, S(" "), &t->line))
        put_line(t->text, S("                "), osp_buf_str(&t->line));
}

static void sample(printing *t, uint32_t row)
{
    const osp_profile *p = t->p;
    const uint32_t set = p->samples.labels[row].i;
    for (uint32_t i = 0; i < p->values.n; i++)
        osp_buf_fmt(t->text, " %10" PRId64, p->samples.value[i][row]);
    osp_buf_add(t->text, S(": "));
    const osp_stack stack = osp_stack_read(p, p->samples.stack[row], t->stack);
    for (uint32_t i = 0; i < stack.n; i++) {
        osp_put_u64(t->text, location_id(p, stack.loc[i].i));
        osp_buf_byte(t->text, ' ');
    }
    osp_buf_byte(t->text, '\n');
    if (p->labelsets.first[set] < p->labelsets.first[set + 1]) {
        put_labels(t, set, false);
        put_labels(t, set, true);
    }
}

/* ---- tables --------------------------------------------------------------------------------------------------- */

static void put_frame(printing *t, const osp_line *l)
{
    const osp_profile *p = t->p;
    if (l->fn.i == 0) {
        osp_buf_add(t->text, S("??\n"));
        return;
    }
    const osp_function *f = &p->functions.row[l->fn.i];
    const osp_str name = osp_text(p, f->name), linker_name = osp_text(p, f->linker_name);
    osp_buf_add(t->text, name);
    osp_buf_byte(t->text, ' ');
    osp_buf_add(t->text, osp_text(p, f->file));
    osp_buf_fmt(t->text, ":%" PRId64 ":%d s=%" PRId64, l->line, (int)l->column, f->start_line);
    if (!osp_str_eq(name, linker_name)) {
        osp_buf_byte(t->text, '(');
        osp_buf_add(t->text, linker_name);
        osp_buf_byte(t->text, ')');
    }
    osp_buf_byte(t->text, '\n');
}

static void location(printing *t, uint32_t i)
{
    const osp_profile *p = t->p;
    const uint32_t from = p->locations.first[i], to = p->locations.first[i + 1];
    osp_buf_fmt(t->text, "%6" PRIu64 ": 0x%" PRIx64 " ", location_id(p, i), p->locations.addr[i]);
    if (p->locations.mapping[i].i)
        osp_buf_fmt(t->text, "M=%" PRIu64 " ", mapping_id(p, p->locations.mapping[i].i));
    if (p->locations.folded && p->locations.folded[i])
        osp_buf_add(t->text, S("[F] "));
    if (from == to)
        osp_buf_byte(t->text, '\n');
    for (uint32_t k = from; k < to; k++) {
        if (k > from)
            osp_buf_fill(t->text, ' ', 13);
        put_frame(t, &p->locations.line[k]);
    }
}

static void mapping(printing *t, uint32_t i)
{
    const osp_mapping *m = &t->p->mappings.row[i];
    osp_buf_fmt(t->text, "%" PRIu64 ": 0x%" PRIx64 "/0x%" PRIx64 "/0x%" PRIx64 " ", mapping_id(t->p, i), m->start,
                m->limit, m->offset);
    osp_buf_add(t->text, osp_text(t->p, m->file));
    osp_buf_byte(t->text, ' ');
    osp_buf_add(t->text, osp_text(t->p, m->build_id));
    osp_buf_fmt(t->text, " %s%s%s%s\n", m->has & OSP_HAS_FUNCTIONS ? "[FN]" : "",
                m->has & OSP_HAS_FILES ? "[FL]" : "", m->has & OSP_HAS_LINES ? "[LN]" : "",
                m->has & OSP_HAS_INLINES ? "[IN]" : "");
}

static bool write_raw(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_shown_profile s;
    if (!osp_shown_profile_make(p, o, &s, out, err))
        return false;
    printing t = {
        .s = &s, .p = &s.p, .stack = osp_stack_room(&s.p), .line = osp_buf_of(SIZE_MAX / 2), .text = &out->text};
    bool ok = osp_label_room_make(&s.view, &t.room, err) && (t.stack || osp_fail_memory(err, "writing the profile"));
    if (ok) {
        header(&t);
        for (uint32_t i = 0; ok && i < t.p->samples.n; i++) {
            sample(&t, i);
            ok = osp_answer_pour(out, err);
        }
        osp_buf_add(t.text, S("Locations\n"));
        for (uint32_t i = 0; i < t.p->locations.n; i++)
            location(&t, i);
        osp_buf_add(t.text, S("Mappings\n"));
        for (uint32_t i = 1; i < t.p->mappings.n; i++)
            mapping(&t, i);
        ok = ok && (!t.line.failed || osp_fail_memory(err, "writing the profile"));
    }
    osp_label_room_drop(&t.room);
    free(t.stack);
    osp_buf_drop(&t.line);
    osp_shown_profile_drop(&s);
    return ok;
}

const osp_report osp_report_raw = {
    .name = "raw",
    .summary = "everything in the profile, as text",
    .untrimmed = true,
    .own_granularity = true,
    .granularity = OSP_BY_ADDRESS,
    .write = write_raw,
};
