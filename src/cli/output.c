/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile can be written as: the forms that are also read, and pictures, which are not. */
#include "base/file.h"
#include "cli/cli_internal.h"
#include "format/format.h"
#include "object/object.h"
#include "pprof/pprof.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>

static void say(void *cli, osp_str line)
{
    osp_progress_done(cli);
    osp_cli_say(line);
}

osp_source *osp_cli_open(const osp_cli *cli, const char *const *source, size_t n, osp_err *err)
{
    const osp_source_opts from = {
        .source = source, .nsource = n, .say = say, .say_ctx = (void *)(uintptr_t)cli, .strict = true};
    osp_progress(cli, "reading %s", source[0]);
    osp_source *s = osp_source_open(&from, err);
    osp_progress_done(cli);
    return s;
}

static bool write_svg(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err)
{
    return osp_flame_graph(p, o, false, out, err);
}

static bool write_html(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err)
{
    return osp_flame_graph(p, o, true, out, err);
}

static bool write_callgrind(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err)
{
    osp_answer answer = osp_answer_new();
    bool ok = osp_report_write(osp_report_named(S("callgrind")), p, o, &answer, err);
    if (ok)
        osp_buf_add(out, osp_buf_str(&answer.text));
    osp_answer_drop(&answer);
    return ok;
}

/* Has it what the Go compiler insists on: a sample type that it knows, and lines at which functions start? */
static bool fit_for_pgo(const osp_profile *p, osp_err *err)
{
    bool type = false, line = p->samples.n == 0;
    for (uint32_t t = 0; t < p->values.n; t++) {
        osp_str name = osp_text(p, p->values.type[t].type), unit = osp_text(p, p->values.type[t].unit);
        type = type || (osp_str_eq(name, S("samples")) && osp_str_eq(unit, S("count"))) ||
               (osp_str_eq(name, S("cpu")) && osp_str_eq(unit, S("nanoseconds")));
    }
    for (uint32_t f = 0; f < p->functions.n; f++)
        line = line || p->functions.row[f].start_line != 0;
    if (!type)
        return osp_fail(err, OSP_EUSAGE,
                        "`go build -pgo` wants samples/count or cpu/nanoseconds, and neither is in this profile; "
                        "take a CPU profile");
    return line || osp_fail(err, OSP_EUSAGE,
                            "`go build -pgo` wants the lines at which functions start, and this profile has none; "
                            "Go 1.20 and later write them");
}

/* What `go build -pgo` reads: the profile without the labels of its samples, which the compiler does not look at. */
static bool write_pgo(const osp_profile *p, const osp_report_opts *o, osp_buf *out, osp_err *err)
{
    (void)o;
    if (!fit_for_pgo(p, err))
        return false;
    uint32_t labelled = 0, unnamed = 0;
    for (uint32_t i = 0; i < p->samples.n; i++)
        labelled += p->samples.labels[i].i != 0;
    for (uint32_t i = 0; i < p->locations.n; i++)
        unnamed += p->locations.first[i] == p->locations.first[i + 1];
    osp_labelset_id *none = calloc((size_t)p->samples.n + 1, sizeof *none);
    if (!none)
        return osp_fail_memory(err, "writing a profile for the compiler");
    osp_profile bare = *p;
    bare.samples.labels = none;
    bool ok = osp_pprof_encode_packed(&bare, OSP_PACK_GZIP, out, err);
    free(none);
    if (ok && (labelled || unnamed))
        fprintf(stderr,
                "osprey: for the compiler: labels of %u samples are left out; %u of %u places have no name and are "
                "of no use to it\n",
                labelled, unnamed, p->locations.n);
    return ok;
}

static const osp_picture pictures[] = {
    {"pgo", ".pgo", write_pgo},
    {"svg", ".svg", write_svg},
    {"html", ".html", write_html},
    {"callgrind", ".callgrind", write_callgrind},
};
enum { PICTURES = sizeof pictures / sizeof *pictures };

const osp_picture *osp_picture_at(size_t i) { return i < PICTURES ? &pictures[i] : NULL; }

bool osp_output_by_ending(const char *path, osp_output *to)
{
    *to = (osp_output){0};
    const osp_format *f = osp_format_by_ending(osp_str_from(path), &to->pack);
    osp_str plain = osp_str_from(path);
    plain.n -= to->pack == OSP_PACK_GZIP ? 3 : to->pack == OSP_PACK_ZSTD ? 4 : 0;
    to->form = f && f->write ? f : NULL;
    for (size_t i = 0; !to->form && i < PICTURES; i++)
        if (osp_str_ends(plain, osp_str_from(pictures[i].ending)))
            to->picture = &pictures[i];
    return to->form || to->picture;
}

static bool write_picture(const osp_profile *p, uint32_t value, const osp_output *to, osp_buf *out, osp_err *err)
{
    osp_report_opts o = osp_report_defaults();
    osp_buf plain = osp_buf_of(out->max);
    o.query.value = value;
    o.query.demangle = osp_brief_name;
    bool ok = to->picture->write(p, &o, &plain, err);
    if (ok && plain.failed)
        ok = osp_fail_memory(err, "drawing");
    if (ok && to->pack != OSP_PACK_NONE)
        ok = osp_pack_bytes(to->pack, osp_buf_str(&plain), 6, out, err);
    else if (ok)
        osp_buf_add(out, osp_buf_str(&plain));
    osp_buf_drop(&plain);
    return ok;
}

bool osp_output_make(const osp_profile *p, const osp_output *to, const char *type, osp_buf *out, osp_err *err)
{
    uint32_t value = 0;
    if (!(p->values.n == 0 && to->form) && !osp_sample_index(p, osp_str_from(type), &value, err))
        return false;
    return to->form ? osp_format_write(to->form, p, value, to->pack, out, err)
                    : write_picture(p, value, to, out, err);
}

bool osp_output_for(const osp_profile *p, const char *path, osp_buf *out, osp_err *err)
{
    osp_output to;
    if (!osp_output_by_ending(path, &to) && osp_str_ends(osp_str_from(path), S(".json")))
        to.form = osp_format_named(S("speedscope"));
    return to.form || to.picture ? osp_output_make(p, &to, NULL, out, err)
                                 : osp_pprof_encode_packed(p, OSP_PACK_GZIP, out, err);
}
