/* SPDX-License-Identifier: Apache-2.0 */
/* osprey info: what a file is, and what is in it, before any question is asked. */
#include "base/file.h"
#include "base/json.h"
#include "cli/cli_internal.h"
#include "format/format.h"
#include "report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

static const osp_option options[] = {
    {"json", 0, NULL, "one JSON object"},
    {0},
};

static const char *const examples[] = {
    "info cpu.pb.gz",
    "info perf.data --json",
    NULL,
};

typedef struct {
    const osp_profile *p;
    const osp_found *found;
    const char *file;
    size_t bytes;
    int64_t *total; /* by sample type: sum of |value| */
} facts;

static const char *pack_name(osp_pack pack)
{
    return pack == OSP_PACK_GZIP ? "gzip" : pack == OSP_PACK_ZSTD ? "zstd" : "none";
}

static bool add_up(facts *f, osp_err *err)
{
    const osp_profile *p = f->p;
    f->total = calloc((size_t)p->values.n + 1, sizeof *f->total);
    if (!f->total)
        return osp_fail_memory(err, "adding up samples");
    for (uint32_t t = 0; t < p->values.n; t++)
        for (uint32_t i = 0; i < p->samples.n; i++)
            osp_add(&f->total[t], osp_abs(p->samples.value[t][i]));
    return true;
}

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

static void add_text(const osp_cli *cli, const facts *f, osp_buf *out)
{
    const osp_profile *p = f->p;
    char text[128];
    osp_err none;
    uint32_t chosen = 0;
    if (!osp_sample_index(p, S(""), &chosen, &none))
        chosen = UINT32_MAX;
    osp_paint(cli, out, OSP_BOLD, "%s", f->file);
    osp_buf_fmt(out, "   %s%s%s, %zu bytes\n", f->found->format->summary,
                f->found->pack == OSP_PACK_NONE ? "" : ", packed by ",
                f->found->pack == OSP_PACK_NONE ? "" : pack_name(f->found->pack), f->bytes);
    for (uint32_t t = 0; t < p->values.n; t++) {
        osp_str unit = osp_text(p, p->values.type[t].unit);
        add_row(cli, out, t ? "" : "types");
        osp_paint(cli, out, OSP_PLAIN, "%.*s/%.*s", STRF(osp_text(p, p->values.type[t].type)), STRF(unit));
        osp_buf_fmt(out, "   %s%s\n", osp_scaled(f->total[t], unit, S("auto"), text, sizeof text),
                    t == chosen ? "   (default)" : "");
    }
    add_row(cli, out, "contents");
    osp_buf_fmt(out, "%u samples, %u stacks, %u locations, %u functions, %u label sets\n", p->samples.n, p->stacks.n,
                p->locations.n, p->functions.n ? p->functions.n - 1 : 0, p->labelsets.n ? p->labelsets.n - 1 : 0);
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
    for (uint32_t m = 1; m < p->mappings.n && m <= 12; m++) {
        const osp_mapping *at = &p->mappings.row[m];
        add_row(cli, out, m == 1 ? "mappings" : "");
        osp_paint(cli, out, OSP_PLAIN, "%.*s  %.*s", STRF(osp_text(p, at->file)), STRF(osp_text(p, at->build_id)));
        osp_buf_byte(out, '\n');
    }
    if (p->mappings.n > 13)
        osp_buf_fmt(out, "%12s… and %u more\n", "", p->mappings.n - 13);
    for (uint32_t c = 0; c < p->comments.n && c < 40; c++) {
        add_row(cli, out, c ? "" : "comments");
        osp_paint(cli, out, OSP_PLAIN, "%.*s", STRF(osp_text(p, p->comments.text[c])));
        osp_buf_byte(out, '\n');
    }
    if (p->comments.n > 40)
        osp_buf_fmt(out, "%12s… and %u more\n", "", p->comments.n - 40);
    if (f->found->note[0]) {
        add_row(cli, out, "note");
        osp_paint(cli, out, OSP_YELLOW, "%s", f->found->note);
        osp_buf_byte(out, '\n');
    }
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
    osp_json_uint(&j, "functions", p->functions.n ? p->functions.n - 1 : 0);
    osp_json_int(&j, "time_ns", p->time_ns);
    osp_json_int(&j, "duration_ns", p->duration_ns);
    osp_json_int(&j, "period", p->period);
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
    const osp_read_opts opts = {.name = osp_str_from(f.file)};
    osp_profile *p = osp_format_read(&file, &opts, &found, &err);
    f.p = p;
    osp_buf out = osp_buf_of((size_t)1 << 30);
    int status = OSP_EXIT_FAILED;
    if (p && add_up(&f, &err)) {
        if (osp_cli_given(cli, "json"))
            add_json(&f, &out);
        else
            add_text(cli, &f, &out);
        status = osp_cli_print(osp_buf_str(&out)) ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    } else {
        osp_fail_in(&err, "%s", f.file);
        status = osp_cli_fail(&err);
    }
    free(f.total);
    osp_buf_drop(&out);
    osp_profile_drop(p);
    return status;
}

const osp_command osp_command_info = {
    .name = "info",
    .args = "FILE",
    .summary = "what a profile is and what is in it",
    .examples = examples,
    .options = options,
    .run = cmd_info,
};
