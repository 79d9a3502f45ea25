/* SPDX-License-Identifier: Apache-2.0 */
/* osprey info: what a file is, and what is in it, before any question is asked. */
#include "base/file.h"
#include "base/json.h"
#include "cli/cli_internal.h"
#include "format/format.h"
#include "report/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const osp_option options[] = {
    {"json", 0, NULL, "one JSON object"},
    {0},
};

static const char *const examples[] = {
    "info cpu.pb.gz",
    "info heap.txt",
    "info perf.data --json",
    NULL,
};

enum { MOST_ROWS = 12, MOST_VALUES = 3 };

/* What the samples' labels say of one key. */
typedef struct {
    osp_string_id key, unit; /* unit: of the first number */
    size_t nvalue;           /* distinct ones */
    bool text;               /* they are texts; else numbers from least to most */
    int64_t least, most;
    struct {
        osp_string_id text;
        int64_t weight;
    } heaviest[MOST_VALUES];
} key_facts;

typedef struct {
    const osp_profile *p;
    const osp_found *found;
    const char *file;
    size_t bytes;
    int64_t *total;   /* by sample type: sum of |value| */
    uint32_t chosen;  /* the default sample type; UINT32_MAX = none */
    uint32_t unnamed; /* locations without a function */
    osp_details details;
    key_facts *key;
    size_t nkey, key_cap;
} facts;

static const char *pack_name(osp_pack pack)
{
    return pack == OSP_PACK_GZIP ? "gzip" : pack == OSP_PACK_ZSTD ? "zstd" : "none";
}

/* ---- adding up ------------------------------------------------------------------------------------------------ */

static bool add_up(facts *f, osp_err *err)
{
    const osp_profile *p = f->p;
    osp_err none;
    f->total = calloc((size_t)p->values.n + 1, sizeof *f->total);
    if (!f->total)
        return osp_fail_memory(err, "adding up samples");
    for (uint32_t t = 0; t < p->values.n; t++)
        for (uint32_t i = 0; i < p->samples.n; i++)
            osp_add(&f->total[t], osp_abs(p->samples.value[t][i]));
    if (!osp_sample_index(p, S(""), &f->chosen, &none))
        f->chosen = UINT32_MAX;
    for (uint32_t i = 0; i < p->locations.n; i++)
        f->unnamed += p->locations.first[i] == p->locations.first[i + 1];
    return true;
}

/* A label that some sample has, and the weight of all with that label set. */
typedef struct {
    osp_label label;
    int64_t weight;
} weighed;

static int by_label(const void *a, const void *b)
{
    const osp_label *x = &((const weighed *)a)->label, *y = &((const weighed *)b)->label;
    if (x->key.i != y->key.i)
        return x->key.i < y->key.i ? -1 : 1;
    if (x->str.i != y->str.i)
        return x->str.i < y->str.i ? -1 : 1;
    return (x->num > y->num) - (x->num < y->num);
}

static void take_value(key_facts *k, const osp_label *l, int64_t weight)
{
    k->nvalue++;
    if (osp_label_is_number(l)) {
        k->least = k->nvalue == 1 || l->num < k->least ? l->num : k->least;
        k->most = k->nvalue == 1 || l->num > k->most ? l->num : k->most;
        k->unit = k->unit.i ? k->unit : l->unit;
        return;
    }
    k->text = true;
    int at = MOST_VALUES;
    while (at && (!k->heaviest[at - 1].text.i || k->heaviest[at - 1].weight < weight))
        at--;
    for (int i = MOST_VALUES - 1; i > at; i--)
        k->heaviest[i] = k->heaviest[i - 1];
    if (at < MOST_VALUES) {
        k->heaviest[at].text = l->str;
        k->heaviest[at].weight = weight;
    }
}

/* Of labels in order: equal ones are one value. */
static bool take_keys(facts *f, const weighed *row, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        int64_t weight = 0;
        for (end = i; end < n && by_label(&row[i], &row[end]) == 0; end++)
            osp_add(&weight, row[end].weight);
        if (i == 0 || row[i].label.key.i != row[i - 1].label.key.i) {
            void *all = f->key;
            if (!osp_grow(&all, &f->key_cap, f->nkey + 1, sizeof *f->key))
                return false;
            f->key = all;
            f->key[f->nkey++] = (key_facts){.key = row[i].label.key};
        }
        take_value(&f->key[f->nkey - 1], &row[i].label, weight);
    }
    return true;
}

static bool add_up_labels(facts *f, osp_err *err)
{
    const osp_profile *p = f->p;
    size_t n = 0;
    weighed *row = p->labelsets.n ? calloc((size_t)p->labelsets.first[p->labelsets.n] + 1, sizeof *row) : NULL;
    int64_t *weight = calloc((size_t)p->labelsets.n + 1, sizeof *weight);
    bool *used = calloc((size_t)p->labelsets.n + 1, sizeof *used);
    bool ok = weight && used && (row || !p->labelsets.n);
    for (uint32_t i = 0; ok && i < p->samples.n; i++) {
        used[p->samples.labels[i].i] = true;
        if (f->chosen < p->values.n)
            osp_add(&weight[p->samples.labels[i].i], osp_abs(p->samples.value[f->chosen][i]));
    }
    for (uint32_t s = 0; ok && s < p->labelsets.n; s++)
        for (uint32_t l = p->labelsets.first[s]; used[s] && l < p->labelsets.first[s + 1]; l++)
            row[n++] = (weighed){p->labelsets.label[l], weight[s]};
    if (ok && n)
        qsort(row, n, sizeof *row, by_label);
    ok = ok && take_keys(f, row, n);
    free(row);
    free(weight);
    free(used);
    return ok || osp_fail_memory(err, "adding up labels");
}

/* ---- as text -------------------------------------------------------------------------------------------------- */

static void time_text(int64_t ns, char *out, size_t size)
{
    time_t s = (time_t)(ns / 1000000000);
    struct tm tm;
    if (!gmtime_r(&s, &tm) || !strftime(out, size, "%Y-%m-%d %H:%M:%S UTC", &tm))
        out[0] = 0;
}

static void add_row(const osp_cli *cli, osp_buf *out, const char *what)
{
    osp_paint(cli, out, OSP_DIM, "%-12s", what);
}

static void add_types(const osp_cli *cli, const facts *f, osp_buf *out)
{
    const osp_profile *p = f->p;
    char text[128];
    for (uint32_t t = 0; t < p->values.n; t++) {
        osp_str unit = osp_text(p, p->values.type[t].unit);
        add_row(cli, out, t ? "" : "types");
        osp_paint(cli, out, OSP_PLAIN, "%.*s/%.*s", STRF(osp_text(p, p->values.type[t].type)), STRF(unit));
        osp_buf_fmt(out, "   %s%s\n", osp_scaled(f->total[t], unit, S("auto"), text, sizeof text),
                    t == f->chosen ? "   (default)" : "");
    }
}

static void add_contents(const osp_cli *cli, const facts *f, osp_buf *out)
{
    const osp_profile *p = f->p;
    char text[128];
    add_row(cli, out, "contents");
    osp_buf_fmt(out, "%u samples, %u stacks, %u locations", p->samples.n, p->stacks.n, p->locations.n);
    if (f->unnamed)
        osp_buf_fmt(out, " (%u without a name)", f->unnamed);
    osp_buf_fmt(out, ", %u functions, %u label sets\n", p->functions.n ? p->functions.n - 1 : 0,
                p->labelsets.n ? p->labelsets.n - 1 : 0);
    if (p->time_ns) {
        time_text(p->time_ns, text, sizeof text);
        add_row(cli, out, "time");
        osp_buf_fmt(out, "%s\n", text);
    }
    if (p->duration_ns) {
        add_row(cli, out, "duration");
        osp_buf_fmt(out, "%s\n", osp_scaled(p->duration_ns, S("nanoseconds"), S("auto"), text, sizeof text));
    }
    if (p->period) {
        add_row(cli, out, "period");
        osp_paint(cli, out, OSP_PLAIN, "%" PRId64 " %.*s/%.*s", p->period, STRF(osp_text(p, p->period_type.type)),
                  STRF(osp_text(p, p->period_type.unit)));
        osp_buf_byte(out, '\n');
    }
}

static void add_more(osp_buf *out, size_t n)
{
    if (n > MOST_ROWS)
        osp_buf_fmt(out, "%12s… and %zu more\n", "", n - MOST_ROWS);
}

static void add_key(const osp_cli *cli, const facts *f, const key_facts *k, osp_buf *out)
{
    char least[64], most[64], share[32];
    osp_paint(cli, out, OSP_PLAIN, "%-14.*s ", STRF(osp_text(f->p, k->key)));
    if (!k->text) {
        osp_str unit = osp_text(f->p, k->unit);
        osp_scaled(k->least, unit, unit.n ? S("auto") : S(""), least, sizeof least);
        osp_scaled(k->most, unit, unit.n ? S("auto") : S(""), most, sizeof most);
        osp_buf_fmt(out, "%zu number%s, %s%s%s\n", k->nvalue, k->nvalue == 1 ? "" : "s", least,
                    k->nvalue == 1 ? "" : " to ", k->nvalue == 1 ? "" : most);
        return;
    }
    osp_buf_fmt(out, "%zu value%s:", k->nvalue, k->nvalue == 1 ? "" : "s");
    for (size_t i = 0; i < MOST_VALUES && k->heaviest[i].text.i; i++) {
        osp_paint(cli, out, OSP_PLAIN, "%s %.*s", i ? "," : "", STRF(osp_text(f->p, k->heaviest[i].text)));
        if (f->chosen < f->p->values.n)
            osp_buf_fmt(out, " %.*s",
                        STRF(osp_str_trim(osp_str_from(
                            osp_percent(k->heaviest[i].weight, f->total[f->chosen], share, sizeof share)))));
    }
    osp_buf_fmt(out, "%s\n", k->nvalue > MOST_VALUES ? ", …" : "");
}

static void add_tables(const osp_cli *cli, const facts *f, osp_buf *out)
{
    const osp_profile *p = f->p;
    for (size_t i = 0; i < f->nkey && i < MOST_ROWS; i++) {
        add_row(cli, out, i ? "" : "labels");
        add_key(cli, f, &f->key[i], out);
    }
    add_more(out, f->nkey);
    for (uint32_t m = 1; m < p->mappings.n && m <= MOST_ROWS; m++) {
        const osp_mapping *at = &p->mappings.row[m];
        add_row(cli, out, m == 1 ? "mappings" : "");
        osp_str file = osp_text(p, at->file);
        osp_paint(cli, out, OSP_PLAIN, "%.*s  %.*s", STRF(file.n ? file : S("(no file)")),
                  STRF(osp_text(p, at->build_id)));
        osp_buf_byte(out, '\n');
    }
    add_more(out, p->mappings.n ? p->mappings.n - 1 : 0);
    if (f->details.commented)
        return;
    for (uint32_t c = 0; c < p->comments.n && c < MOST_ROWS; c++) {
        add_row(cli, out, c ? "" : "comments");
        osp_paint(cli, out, OSP_PLAIN, "%.*s", STRF(osp_text(p, p->comments.text[c])));
        osp_buf_byte(out, '\n');
    }
    add_more(out, p->comments.n);
}

static void scalar_text(const osp_detail *d, char *out, size_t size)
{
    osp_str unit = d->kind == OSP_DETAIL_BYTES ? S("bytes") : d->kind == OSP_DETAIL_NS ? S("nanoseconds") : S("");
    if (d->kind == OSP_DETAIL_TIME && d->value)
        time_text(d->value, out, size);
    else if (d->kind == OSP_DETAIL_SHARE)
        snprintf(out, size, "%.2f%%", 100 * d->share);
    else if (d->kind == OSP_DETAIL_FLAG || d->kind == OSP_DETAIL_TIME)
        snprintf(out, size, "%s", d->kind == OSP_DETAIL_TIME ? "never" : d->value ? "yes" : "no");
    else if (unit.n)
        osp_scaled(d->value, unit, S("auto"), out, size);
    else
        snprintf(out, size, "%" PRId64, d->value);
}

/* How many there are, the longest, their sum: 0 is none. */
static void list_text(const osp_detail *d, char *out, size_t size)
{
    char most[64], sum[64];
    osp_detail longest = {.kind = d->kind}, all = {.kind = d->kind};
    size_t n = 0;
    for (size_t i = 0; i < d->nlist; i++) {
        n += d->list[i] != 0;
        osp_add(&all.value, d->list[i]);
        longest.value = d->list[i] > longest.value ? d->list[i] : longest.value;
    }
    scalar_text(&longest, most, sizeof most);
    scalar_text(&all, sum, sizeof sum);
    snprintf(out, size, n ? "%zu, longest %s, %s in all" : "%zu", n, most, sum);
}

static void add_details(const osp_cli *cli, const facts *f, osp_buf *out)
{
    char text[256];
    const char *group = "";
    for (size_t i = 0; i < f->details.n; i++) {
        const osp_detail *d = &f->details.row[i];
        if (d->list && d->kind == OSP_DETAIL_TIME)
            continue; /* for programs */
        add_row(cli, out, strcmp(d->group, group) ? d->group : "");
        group = d->group;
        osp_paint(cli, out, OSP_PLAIN, "%-14.*s ", STRF(d->name));
        if (d->kind == OSP_DETAIL_TEXT) {
            osp_paint(cli, out, OSP_PLAIN, "%.*s", STRF(d->text));
        } else {
            (d->list ? list_text : scalar_text)(d, text, sizeof text);
            osp_buf_fmt(out, d->gloss[0] ? "%-11s" : "%s", text);
        }
        if (d->gloss[0])
            osp_paint(cli, out, OSP_DIM, "   %s", d->gloss);
        osp_buf_byte(out, '\n');
    }
}

static void add_text(const osp_cli *cli, const facts *f, osp_buf *out)
{
    osp_paint(cli, out, OSP_BOLD, "%s", f->file);
    osp_buf_fmt(out, "   %s%s%s, %zu bytes\n", f->found->format->summary,
                f->found->pack == OSP_PACK_NONE ? "" : ", packed by ",
                f->found->pack == OSP_PACK_NONE ? "" : pack_name(f->found->pack), f->bytes);
    add_types(cli, f, out);
    add_contents(cli, f, out);
    add_tables(cli, f, out);
    add_details(cli, f, out);
    if (f->found->note[0]) {
        add_row(cli, out, "note");
        osp_paint(cli, out, OSP_YELLOW, "%s", f->found->note);
        osp_buf_byte(out, '\n');
    }
}

/* ---- as JSON -------------------------------------------------------------------------------------------------- */

static void json_labels(const facts *f, osp_json *j)
{
    osp_json_array(j, "labels");
    for (size_t i = 0; i < f->nkey; i++) {
        const key_facts *k = &f->key[i];
        osp_json_object(j, NULL);
        osp_json_str(j, "key", osp_text(f->p, k->key));
        osp_json_uint(j, "values", k->nvalue);
        if (!k->text) {
            osp_json_int(j, "least", k->least);
            osp_json_int(j, "most", k->most);
            osp_json_str(j, "unit", osp_text(f->p, k->unit));
        } else {
            osp_json_array(j, "heaviest");
            for (size_t v = 0; v < MOST_VALUES && k->heaviest[v].text.i; v++) {
                osp_json_object(j, NULL);
                osp_json_str(j, "value", osp_text(f->p, k->heaviest[v].text));
                osp_json_int(j, "total", k->heaviest[v].weight);
                osp_json_end(j);
            }
            osp_json_end(j);
        }
        osp_json_end(j);
    }
    osp_json_end(j);
}

static void json_detail(const osp_detail *d, osp_json *j)
{
    char name[128];
    osp_str_z(d->name, name, sizeof name);
    if (d->list) {
        osp_json_array(j, name);
        j->dense = true;
        for (size_t i = 0; i < d->nlist; i++)
            osp_json_int(j, NULL, d->list[i]);
        osp_json_end(j);
        j->dense = false;
    } else if (d->kind == OSP_DETAIL_TEXT) {
        osp_json_str(j, name, d->text);
    } else if (d->kind == OSP_DETAIL_SHARE) {
        osp_json_num(j, name, d->share);
    } else if (d->kind == OSP_DETAIL_FLAG) {
        osp_json_bool(j, name, d->value != 0);
    } else {
        osp_json_int(j, name, d->value);
    }
}

/* An object a group: "details": {"memstats": {"Alloc": 2495872, …}}. */
static void json_details(const facts *f, osp_json *j)
{
    const char *group = "";
    osp_json_object(j, "details");
    for (size_t i = 0; i < f->details.n; i++) {
        const osp_detail *d = &f->details.row[i];
        if (strcmp(d->group, group) != 0) {
            if (group[0])
                osp_json_end(j);
            osp_json_object(j, group = d->group);
        }
        json_detail(d, j);
    }
    if (group[0])
        osp_json_end(j);
    osp_json_end(j);
}

static void add_json(const facts *f, osp_buf *out)
{
    const osp_profile *p = f->p;
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.info/1"));
    osp_json_str(&j, "file", osp_str_from(f->file));
    osp_json_str(&j, "format", osp_str_from(f->found->format->name));
    osp_json_str(&j, "packed", osp_str_from(pack_name(f->found->pack)));
    osp_json_uint(&j, "bytes", f->bytes);
    osp_json_array(&j, "sample_types");
    for (uint32_t t = 0; t < p->values.n; t++) {
        osp_json_object(&j, NULL);
        osp_json_str(&j, "type", osp_text(p, p->values.type[t].type));
        osp_json_str(&j, "unit", osp_text(p, p->values.type[t].unit));
        osp_json_int(&j, "total", f->total[t]);
        osp_json_end(&j);
    }
    osp_json_end(&j);
    osp_json_uint(&j, "samples", p->samples.n);
    osp_json_uint(&j, "stacks", p->stacks.n);
    osp_json_uint(&j, "locations", p->locations.n);
    osp_json_uint(&j, "locations_unnamed", f->unnamed);
    osp_json_uint(&j, "functions", p->functions.n ? p->functions.n - 1 : 0);
    osp_json_int(&j, "time_ns", p->time_ns);
    osp_json_int(&j, "duration_ns", p->duration_ns);
    osp_json_int(&j, "period", p->period);
    json_labels(f, &j);
    osp_json_array(&j, "mappings");
    for (uint32_t m = 1; m < p->mappings.n; m++) {
        osp_json_object(&j, NULL);
        osp_json_str(&j, "file", osp_text(p, p->mappings.row[m].file));
        osp_json_str(&j, "build_id", osp_text(p, p->mappings.row[m].build_id));
        osp_json_end(&j);
    }
    osp_json_end(&j);
    osp_json_array(&j, "comments");
    for (uint32_t c = 0; c < p->comments.n; c++)
        osp_json_str(&j, NULL, osp_text(p, p->comments.text[c]));
    osp_json_end(&j);
    json_details(f, &j);
    osp_json_str(&j, "note", osp_str_from(f->found->note));
    osp_json_end(&j);
}

static int cmd_info(const osp_cli *cli)
{
    osp_err err = {0};
    osp_found found;
    osp_file file;
    if (cli->noperand != 1)
        return osp_cli_usage(cli, "one file is wanted: %s", cli->command->args);
    facts f = {.file = cli->operand[0], .found = &found};
    if (!osp_file_open(f.file, osp_unpack_limit(SIZE_MAX), &file, &err))
        return osp_cli_fail(&err);
    f.bytes = file.bytes.n;
    const osp_read_opts opts = {.name = osp_str_from(f.file), .details = &f.details};
    osp_profile *p = osp_format_read(&file, &opts, &found, &err);
    f.p = p;
    osp_buf out = osp_buf_of((size_t)1 << 30);
    int status = OSP_EXIT_FAILED;
    if (p && add_up(&f, &err) && add_up_labels(&f, &err)) {
        if (osp_cli_given(cli, "json"))
            add_json(&f, &out);
        else
            add_text(cli, &f, &out);
        status = osp_cli_answer(&out, OSP_EXIT_DONE);
    } else {
        osp_fail_in(&err, "%s", f.file);
        status = osp_cli_fail(&err);
    }
    free(f.total);
    free(f.key);
    osp_details_drop(&f.details);
    osp_buf_drop(&out);
    osp_profile_drop(p);
    return status;
}

const osp_command osp_command_info = {
    .name = "info",
    .args = "FILE",
    .summary = "what is in a profile, and beside it: MemStats, perf's header",
    .examples = examples,
    .options = options,
    .run = cmd_info,
};
