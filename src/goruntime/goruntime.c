/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the Go runtime in a process: the object that holds it (the program itself, or a c-shared library that a C
 * program has loaded), its version, its layout. */
#include "goruntime/goruntime_internal.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

enum { VERSION_MAX = 256 };

/* The writable part of the object in memory, with the anonymous pages of .bss that follow it. */
static osp_go_range data_of(const osp_image *image, const osp_map *of)
{
    const osp_map *maps = image->map;
    osp_go_range r = {UINT64_MAX, 0};
    for (uint32_t i = 0; i < image->nmap; i++) {
        bool own = maps[i].inode == of->inode && maps[i].dev == of->dev;
        bool bss = r.hi && maps[i].start == r.hi && maps[i].inode == 0 && maps[i].write;
        if (!maps[i].write || (!own && !bss))
            continue;
        r.lo = maps[i].start < r.lo ? maps[i].start : r.lo;
        r.hi = maps[i].end;
    }
    return r;
}

/* What a search for the object goes by. */
typedef struct {
    const osp_image *image;
    osp_objects *objects;
    osp_intern *without; /* files without Go, by key_of; NULL = none is known */
    osp_arena *keys;
} search;

/* A mapped file, as far as maps tells; the path too, since the number of a file is unique only in its part of a btrfs. */
static osp_str key_of(const osp_map *m, char *buf, size_t size)
{
    int n = snprintf(buf, size, "%llx %llx %.*s", (unsigned long long)m->dev, (unsigned long long)m->inode,
                     STRF(m->path));
    return (osp_str){buf, n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1};
}

static void remember_without(const search *in, osp_str key)
{
    osp_str copy = in->without ? osp_arena_str(in->keys, key) : (osp_str){0};
    if (copy.p)
        (void)osp_intern_put(in->without, copy, NULL); /* what is not remembered is looked at again */
}

/* If the object behind this mapping holds Go, take it. */
static bool try_map(osp_go *go, const search *in, const osp_map *m, osp_err *err)
{
    char name[4096], text[4096 + 40];
    osp_str key = key_of(m, text, sizeof text);
    if (in->without && osp_intern_find(in->without, key) != UINT32_MAX)
        return osp_fail(err, OSP_EABSENT, "no Go in it");
    OSP_AUTO_CLOSE int fd = in->image->open_map(in->image->ctx, m, err);
    if (fd < 0) {
        if (in->image->core && err->code == OSP_EABSENT)
            err->code = OSP_EIO; /* a process has its files; those of a core may be anywhere */
        return false;
    }
    osp_object *o = osp_objects_of_fd(in->objects, fd, osp_str_z(m->path, name, sizeof name), err);
    osp_go_info info;
    if (!o)
        return false;
    if (!osp_object_go(o, &info)) {
        remember_without(in, key);
        return osp_fail(err, OSP_EABSENT, "%s: no Go in it", name);
    }
    if (!osp_object_bias(o, m->start, m->offset, &go->bias, err))
        return false;
    go->object = o;
    go->data = data_of(in->image, m);
    go->version = osp_arena_str(&go->arena, info.version);
    return go->version.p || osp_fail_memory(err, "opening a Go process");
}

/* The program's own file first, then each library. */
static bool find_object(osp_go *go, const search *in, osp_err *err)
{
    const osp_map *maps = in->image->map;
    bool refused = false;
    osp_err first = {0};
    for (int own = 1; own >= 0; own--) {
        uint64_t last = 0;
        for (uint32_t i = 0; i < in->image->nmap; i++) {
            if (!maps[i].exec || maps[i].inode == 0 || maps[i].inode == last ||
                osp_str_eq(maps[i].path, in->image->exe) != own)
                continue;
            last = maps[i].inode;
            if (try_map(go, in, &maps[i], err))
                return true;
            if (err->code == OSP_ELIMIT || !osp_go_alive(go))
                return false;
            if (own && !refused && err->code != OSP_EABSENT) {
                refused = true;
                first = *err;
            }
        }
    }
    if (refused) { /* that the program could not be read is no proof that it is not Go */
        *err = first;
        return in->image->core ? osp_fail_in(err, "its program is needed (--exe FILE, or --root DIR)") : false;
    }
    return osp_fail(err, OSP_EABSENT, "%.*s runs no Go", STRF(go->image.name));
}

/* Without build info (stripped by hand) the process still has runtime.buildVersion, a Go string. */
static bool version_from_memory(osp_go *go, osp_err *err)
{
    uint64_t addr, text[2];
    char buf[VERSION_MAX];
    if (!osp_go_global(go, S("runtime.buildVersion"), &addr))
        return osp_fail(err, OSP_EFORMAT, "%.*s: the Go release cannot be told: no build info and no symbols",
                        STRF(osp_object_name(go->object)));
    if (!go->mem.read(go->mem.ctx, addr, text, sizeof text, err))
        return false;
    if (text[1] == 0 || text[1] >= sizeof buf)
        return osp_fail(err, OSP_EFORMAT, "%.*s: the Go release cannot be told: %llu bytes of version",
                        STRF(osp_object_name(go->object)), (unsigned long long)text[1]);
    if (!go->mem.read(go->mem.ctx, text[0], buf, text[1], err))
        return false;
    go->version = osp_arena_str(&go->arena, (osp_str){buf, (size_t)text[1]});
    return go->version.p || osp_fail_memory(err, "opening a Go process");
}

/* "go1.26" of 12608. */
static osp_str minor_text(osp_go *go, uint32_t number)
{
    return osp_arena_fmt(&go->arena, "go1.%u", number / 100 % 100);
}

static bool layout_by_table(osp_go *go, bool plain, osp_err *err)
{
    bool newer;
    if (!osp_go_layout_of_version(go->number, &go->at, &newer))
        return osp_fail(err, OSP_EFORMAT, "%.*s is older than go1.16, the oldest release whose structures are known",
                        STRF(go->version));
    if (newer)
        go->source = osp_arena_fmt(&go->arena, "table of %.*s for %.*s (newer than the table)",
                                   STRF(minor_text(go, OSP_GO_NEWEST)), STRF(go->version));
    else if (!plain)
        go->source = osp_arena_fmt(&go->arena, "table of %.*s for %.*s (not a plain release)",
                                   STRF(minor_text(go, go->number)), STRF(go->version));
    else
        go->source = S("table");
    return go->source.p || osp_fail_memory(err, "opening a Go process");
}

bool osp_go_layout_of_dwarf(osp_object *o, uint32_t version, osp_go_places *out, osp_err *err)
{
    osp_go_member *m = calloc(osp_go_nfields, sizeof *m);
    if (!m)
        return osp_fail_memory(err, "reading DWARF");
    for (size_t i = 0; i < osp_go_nfields; i++)
        m[i] = (osp_go_member){osp_go_fields[i].type, osp_go_fields[i].path, -1};
    bool ok = osp_object_go_members(o, m, osp_go_nfields, err);
    for (size_t i = 0; ok && i < osp_go_nfields; i++)
        *osp_go_field_of(out, &osp_go_fields[i]) = m[i].offset;
    out->pub.labels_are_slice = version >= 12400;
    free(m);
    return ok;
}

static bool layout_by_dwarf(osp_go *go, osp_err *err)
{
    if (!osp_go_layout_of_dwarf(go->object, go->number, &go->at, err))
        return false;
    /* without these there is nothing to check the rest by */
    const osp_go_layout *at = &go->at.pub;
    if (at->m_g0 < 0 || at->m_alllink < 0 || at->m_curg < 0 || at->m_procid < 0 || at->g_m < 0 || at->g_goid < 0 ||
        at->g_status < 0 || at->g_stack_lo < 0 || at->g_stack_hi < 0 || at->m_id < 0 || at->p_id < 0)
        return osp_fail(err, OSP_EABSENT, "the DWARF of %.*s lacks fields that every release has",
                        STRF(osp_object_name(go->object)));
    go->source = S("DWARF");
    return true;
}

/* The table is proven for plain releases, and DWARF takes longer to read, so DWARF is for all others: experiments
 * ("go1.26.8 X:simd"), builds of vendors, releases newer than the table, or older; and where the table does not fit. */
enum { OLDEST = 11600 }; /* in the table */

static bool find_layout(osp_go *go, osp_err *err)
{
    bool plain;
    osp_err ignored; /* without DWARF the table remains */
    go->number = osp_go_version_parse(go->version, &plain);
    if (go->number == 0)
        return osp_fail(err, OSP_EFORMAT, "%.*s: `%.*s` is no Go release we know", STRF(osp_object_name(go->object)),
                        STRF(go->version));
    if ((!plain || go->number > OSP_GO_NEWEST || go->number < OLDEST) && layout_by_dwarf(go, &ignored) &&
        osp_go_check(go, &ignored))
        return true;
    if (!layout_by_table(go, plain, err))
        return false;
    return osp_go_check(go, err) ||
           (err->code == OSP_EFORMAT && plain && layout_by_dwarf(go, &ignored) && osp_go_check(go, &ignored));
}

/* Keep what outlives the caller's arena. */
static bool take_image(osp_go *go, const osp_image *image, osp_err *err)
{
    go->image = *image;
    go->image.map = NULL;
    go->image.nmap = 0;
    go->image.name = osp_arena_str(&go->arena, image->name);
    go->image.exe = osp_arena_str(&go->arena, image->exe);
    go->mem = image->mem;
    go->namespaced = image->ns_pid != image->pid;
    return (go->image.name.p && go->image.exe.p) || osp_fail_memory(err, "opening a Go process");
}

osp_go *osp_go_find(const osp_image *image, osp_objects *objects, osp_intern *without, osp_arena *keys, osp_err *err)
{
    osp_go *go = calloc(1, sizeof *go);
    if (!go) {
        osp_fail_memory(err, "opening a Go process");
        return NULL;
    }
    osp_arena_init(&go->arena, 1 << 20);
    const search in = {image, objects, without, keys};
    if (!take_image(go, image, err) || !find_object(go, &in, err)) {
        osp_go_close(go);
        return NULL;
    }
    return go;
}

bool osp_go_fit(osp_go *go, osp_err *err)
{
    return (go->version.n || version_from_memory(go, err)) && find_layout(go, err);
}

osp_go *osp_go_open(const osp_image *image, osp_objects *objects, osp_err *err)
{
    osp_go *go = osp_go_find(image, objects, NULL, NULL, err);
    if (go && !osp_go_fit(go, err)) {
        osp_go_close(go);
        return NULL;
    }
    return go;
}

void osp_go_close(osp_go *go)
{
    if (!go)
        return;
    osp_arena_drop(&go->arena);
    free(go);
}

osp_str osp_go_version(const osp_go *go) { return go->version; }
uint32_t osp_go_version_number(const osp_go *go) { return go->number; }
const osp_go_layout *osp_go_offsets(const osp_go *go) { return &go->at.pub; }
osp_str osp_go_layout_source(const osp_go *go) { return go->source; }

osp_object *osp_go_object(const osp_go *go, uint64_t *bias)
{
    *bias = go->bias;
    return go->object;
}

bool osp_go_tls_g(const osp_go *go, int64_t *offset, osp_err *err) { return osp_go_find_tls(go, offset, err); }
