/* SPDX-License-Identifier: Apache-2.0 */
/* Which form is it? Unpack the head, ask every form, unpack the rest only if one wants it: gigabytes of packed nonsense
 * cost no more than their head. */
#include "format/format.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_FORMATS = 64 };

/* ---- by name -------------------------------------------------------------------------------------------------- */

const osp_format *osp_format_named(osp_str name)
{
    for (size_t i = 0; osp_formats[i]; i++)
        if (osp_str_eq(name, osp_str_from(osp_formats[i]->name)))
            return osp_formats[i];
    return NULL;
}

static bool has_ending(const osp_format *f, osp_str path)
{
    osp_str all = osp_str_from(f->ending);
    while (all.n)
        if (osp_str_ends(path, osp_str_cut(&all, ' ')))
            return true;
    return false;
}

const osp_format *osp_format_by_ending(osp_str path, osp_pack *pack)
{
    osp_pack how = osp_str_ends(path, S(".gz"))    ? OSP_PACK_GZIP
                   : osp_str_ends(path, S(".zst")) ? OSP_PACK_ZSTD
                                                   : OSP_PACK_NONE;
    if (pack)
        *pack = how;
    path.n -= how == OSP_PACK_GZIP ? 3 : how == OSP_PACK_ZSTD ? 4 : 0;
    for (size_t i = 0; osp_formats[i]; i++)
        if (has_ending(osp_formats[i], path))
            return osp_formats[i];
    return NULL;
}

/* ---- by content ----------------------------------------------------------------------------------------------- */

typedef struct {
    const osp_format *format[MOST_FORMATS];
    size_t n;
} candidates;

static void choose(candidates *c, osp_str head, size_t size, osp_str name)
{
    osp_sniffed said[MOST_FORMATS];
    size_t n = 0;
    for (; osp_formats[n] && n < MOST_FORMATS; n++)
        said[n] = osp_formats[n]->sniff ? osp_formats[n]->sniff(head, size) : OSP_NOT_MINE;
    for (osp_sniffed want = OSP_MINE; want > OSP_NOT_MINE; want--)
        for (int named = 1; named >= 0; named--)
            for (size_t i = 0; i < n; i++)
                if (said[i] == want && has_ending(osp_formats[i], name) == named)
                    c->format[c->n++] = osp_formats[i];
}

/* What people give us that is no profile at all. */
static const struct {
    osp_str magic;
    const char *what;
} others[] = {
    {{"\177ELF", 4}, "an ELF file (a program, a library, a core), not a profile"},
    {{"go 1.", 5}, "a Go execution trace, not a profile"},
    {{"<!DOCTYPE", 9}, "an HTML page: is this the address of the profile itself?"},
    {{"<!doctype", 9}, "an HTML page: is this the address of the profile itself?"},
    {{"<html", 5}, "an HTML page: is this the address of the profile itself?"},
    {{"<?xml", 5}, "an XML file"},
    {{"<svg", 4}, "an SVG picture"},
    {{"digraph", 7}, "a dot graph"},
    {{"%PDF", 4}, "a PDF document"},
    {{"\x89PNG", 4}, "a PNG picture"},
    {{"PK\3\4", 4}, "a zip archive: unpack it first"},
    {{"BZh", 3}, "packed with bzip2: unpack it first"},
    {{"\xfd"
      "7zXZ",
      5},
     "packed with xz: unpack it first"},
    {{"\x1f\x8b", 2}, "packed twice with gzip: unpack it once"},
};

static bool unknown(osp_str head, osp_err *err)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (osp_str_starts(head, others[i].magic))
            return osp_fail(err, OSP_EFORMAT, "unrecognized profile format: it is %s", others[i].what);
    osp_str rest = head, line = osp_str_head(osp_str_cut(&rest, '\n'), 60);
    for (size_t i = 0; i < line.n; i++)
        if ((uint8_t)line.p[i] < ' ' && line.p[i] != '\t')
            return osp_fail(err, OSP_EFORMAT,
                            "unrecognized profile format: binary, and begins with the bytes %02x %02x %02x %02x",
                            (uint8_t)head.p[0], head.n > 1 ? (uint8_t)head.p[1] : 0,
                            head.n > 2 ? (uint8_t)head.p[2] : 0, head.n > 3 ? (uint8_t)head.p[3] : 0);
    return osp_fail(err, OSP_EFORMAT, "unrecognized profile format: it begins with \"%.*s\"", STRF(line));
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static bool unpack(osp_file *file, size_t limit, osp_err *err)
{
    osp_span out;
    if (!osp_unpack(file->bytes, limit ? limit : osp_unpack_limit(file->bytes.n), &out, err))
        return osp_fail_in(err, "decompressing profile");
    osp_file_close(file);
    *file = (osp_file){out, false};
    return out.n || osp_fail(err, OSP_EFORMAT, "empty input file");
}

/* A frame of two letters costs about 200 bytes in our tables. */
static size_t memory_for(size_t n)
{
    const size_t most = osp_unpack_limit(SIZE_MAX), some = (size_t)1 << 20;
    return n < (most - some) / 256 ? n * 256 + some : most;
}

static osp_profile *read_as(const candidates *c, osp_input *in, osp_found *found, osp_err *err)
{
    osp_err first = {0};
    for (size_t i = 0; i < c->n; i++) {
        osp_err why = {0};
        osp_profile *p = c->format[i]->read(in, &why);
        if (p) {
            found->format = c->format[i];
            osp_str_z(osp_str_from(in->note), found->note, sizeof found->note);
            return p;
        }
        if (in->details)
            osp_details_drop(in->details); /* of what it is not */
        osp_fail_in(&why, "%s", c->format[i]->summary);
        if (why.code != OSP_EABSENT || !in->file.bytes.p) {
            *err = why;
            return NULL;
        }
        if (!first.code)
            first = why;
    }
    osp_fail(err, OSP_EFORMAT, "unrecognized profile format; the nearest guess is %s", first.msg);
    return NULL;
}

static osp_profile *read_any(osp_input *in, const osp_read_opts *o, osp_found *found, osp_err *err)
{
    if (in->file.bytes.n == 0) {
        osp_fail(err, OSP_EFORMAT, "empty input file");
        return NULL;
    }
    found->pack = osp_pack_of(in->file.bytes);
    candidates c = {{o->as}, o->as != NULL};
    if (o->as && !o->as->sniff) {
        osp_fail(err, OSP_EUSAGE, "profiles cannot be read as %s, only written", o->as->name);
        return NULL;
    }
    uint8_t *room = found->pack == OSP_PACK_NONE ? NULL : malloc(OSP_SNIFF_BYTES);
    osp_str head = osp_str_head(osp_span_text(in->file.bytes), OSP_SNIFF_BYTES);
    if (room)
        head = (osp_str){(char *)room, osp_unpack_head(in->file.bytes, room, OSP_SNIFF_BYTES)};
    if (!o->as)
        choose(&c, head, !room ? in->file.bytes.n : head.n < OSP_SNIFF_BYTES ? head.n : 0, in->name);
    /* Damaged from the start: unpacking says how. */
    bool ok = room || found->pack == OSP_PACK_NONE || osp_fail_memory(err, "unpacking");
    ok = ok && (c.n || head.n == 0 || unknown(head, err));
    free(room);
    ok = ok && (found->pack == OSP_PACK_NONE || unpack(&in->file, o->unpack_limit, err));
    if (ok && c.n == 0)
        ok = unknown(osp_span_text(in->file.bytes), err);
    in->limit = memory_for(in->file.bytes.n);
    return ok ? read_as(&c, in, found, err) : NULL;
}

osp_profile *osp_format_read(osp_file *file, const osp_read_opts *opts, osp_found *found, osp_err *err)
{
    const osp_read_opts none = {0};
    osp_found unasked;
    if (!found)
        found = &unasked;
    *found = (osp_found){0};
    if (!opts)
        opts = &none;
    osp_input in = {.file = *file, .name = opts->name, .details = opts->details};
    *file = (osp_file){0};
    osp_profile *p = read_any(&in, opts, found, err);
    osp_file_close(&in.file);
    return p;
}

osp_profile *osp_format_open(const char *path, const osp_read_opts *opts, osp_found *found, osp_err *err)
{
    osp_read_opts o = opts ? *opts : (osp_read_opts){0};
    osp_file file;
    o.name = osp_str_from(path);
    /* What is mapped could be larger, but not decoded. */
    if (!osp_file_open_input(path, osp_unpack_limit(SIZE_MAX), &file, err))
        return NULL;
    osp_profile *p = osp_format_read(&file, &o, found, err);
    if (!p)
        osp_fail_in(err, "%s", path);
    return p;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

bool osp_format_write(const osp_format *as, const osp_profile *p, uint32_t value, osp_pack pack, osp_buf *out,
                      osp_err *err)
{
    if (!as->write)
        return osp_fail(err, OSP_EUSAGE, "profiles cannot be written as %s", as->name);
    if (value >= p->values.n && p->values.n)
        return osp_fail(err, OSP_EUSAGE, "there is no sample type %u", value);
    if (pack == OSP_PACK_NONE)
        return as->write(p, value, out, err) && (!out->failed || osp_fail_memory(err, "writing a profile"));
    osp_buf plain = osp_buf_of(out->max);
    bool ok = as->write(p, value, &plain, err) && (!plain.failed || osp_fail_memory(err, "writing a profile")) &&
              osp_pack_bytes(pack, osp_buf_str(&plain), 6, out, err);
    osp_buf_drop(&plain);
    return ok;
}
