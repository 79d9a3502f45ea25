/* SPDX-License-Identifier: Apache-2.0 */
/* symbolise.c: what -symbolize says, and names for addresses that come without, from the files on this machine. Mappings
 * that have names already are left alone, if nothing else is wished. */
#include "base/path.h"
#include "source_internal.h"

#include "base/cur.h"
#include "symbol/symbol.h"

#include <stdlib.h>
#include <strings.h>

/* ---- what is wished -------------------------------------------------------------------------------------------- */

static bool is_word(osp_str s, const char *word) { return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0; }

static bool read_names(osp_str word, osp_symbol_mode *m)
{
    static const char prefix[] = "demangle=";
    if (word.n >= sizeof prefix - 1 && strncasecmp(word.p, prefix, sizeof prefix - 1) == 0)
        word = osp_str_skip(word, sizeof prefix - 1);
    if (is_word(word, "default"))
        return true;
    if (is_word(word, "full"))
        m->names = OSP_NAMES_FULL;
    else if (is_word(word, "templates"))
        m->names = OSP_NAMES_TEMPLATES;
    else if (is_word(word, "none"))
        m->names = OSP_NAMES_MANGLED;
    else
        return false;
    m->force = true;
    return true;
}

osp_symbol_mode osp_read_symbol_mode(const osp_source_opts *o)
{
    osp_symbol_mode m = {.local = true, .remote = true};
    osp_str words = osp_str_from(o->symbolize);
    while (words.n) {
        osp_str word = osp_str_cut(&words, ':');
        bool fast = is_word(word, "fastlocal");
        if (is_word(word, "none") || is_word(word, "no"))
            return (osp_symbol_mode){.none = true};
        if (fast || is_word(word, "local")) {
            m.local = true;
            m.remote = false;
            m.fast |= fast;
        } else if (is_word(word, "remote")) {
            m.local = false;
            m.remote = true;
        } else if (is_word(word, "force")) {
            m.force = true;
        } else if (word.n && !read_names(word, &m)) {
            osp_tell(o, "ignoring unrecognized symbolization option: %s", o->symbolize);
            osp_tell(o, "expecting -symbolize=[local|fastlocal|remote|none][:force]"
                        "[:demangle=[none|full|templates|default]");
        }
    }
    return m;
}

/* ---- on this machine ------------------------------------------------------------------------------------------- */

/* Mappings that no file stands behind. */
static bool is_no_file(osp_str file)
{
    osp_str base = osp_path_base(file);
    return file.n == 0 || osp_str_starts(base, S("[")) || osp_str_starts(base, S("linux-vdso")) ||
           osp_str_starts(file, S("/dev/dri/")) || osp_str_eq(file, S("//anon")) ||
           osp_str_starts(file, S("/memfd:"));
}

/* The build id of the running kernel, in its notes. */
static void kernel_build_id(char *out, size_t size)
{
    uint8_t note[4096];
    osp_buf b = osp_buf_of(sizeof note);
    osp_file f = {0};
    osp_err ignored; /* then it has none */
    out[0] = 0;
    if (!osp_file_open("/sys/kernel/notes", sizeof note, &f, &ignored))
        return;
    osp_cur c = osp_cur_on(f.bytes, "notes", &ignored);
    while (osp_cur_left(&c)) {
        uint32_t name = osp_cur_u32(&c), desc = osp_cur_u32(&c), type = osp_cur_u32(&c);
        osp_span owner = osp_cur_bytes(&c, (name + 3) & ~3u), id = osp_cur_bytes(&c, (desc + 3) & ~3u);
        if (c.bad || type != 3 || name != 4 || memcmp(owner.p, "GNU", 4) != 0 || desc > id.n ||
            2 * (size_t)desc >= size)
            continue;
        for (uint32_t i = 0; i < desc; i++)
            osp_buf_fmt(&b, "%02x", id.p[i]);
        osp_str_z(osp_buf_str(&b), out, size);
        break;
    }
    osp_buf_drop(&b);
    osp_file_close(&f);
}

typedef struct {
    const osp_symbolising *s;
    const osp_profile *p;
    uint8_t *used; /* by mapping: a location lies there */
    bool missing;  /* a file */
} looking;

static bool is_named(const osp_mapping *m) { return m->has & (OSP_HAS_FUNCTIONS | OSP_HAS_FILES | OSP_HAS_LINES); }

/* The object for a mapping, or NULL after saying what there is to say. */
static osp_object *object_for(looking *l, uint32_t i)
{
    const osp_source_opts *o = l->s->opts;
    const osp_mapping *m = &l->p->mappings.row[i];
    osp_str file = osp_text(l->p, m->file), id = osp_text(l->p, m->build_id);
    if (!l->used[i] || (is_named(m) && !l->s->mode.force))
        return NULL;
    if (file.n == 0) {
        if (i == 1 && !o->strict)
            osp_tell(o, "Main binary filename not available.");
        l->missing |= i > 1;
        return NULL;
    }
    if (is_no_file(file) || (id.n == 0 && osp_is_absolute_url(file) && osp_str_starts(file, S("http"))))
        return NULL;
    char path[4096];
    osp_err why;
    osp_str base = osp_path_base(file);
    const char *open = id.n ? " (build ID " : "", *close = id.n ? ")" : "";
    osp_object *object = osp_open_object(l->s->objects, osp_str_z(file, path, sizeof path), &why);
    if (!object) {
        osp_tell(o, "Local symbolization failed for %.*s%s%.*s%s: %s", STRF(base), open, STRF(id), close, why.msg);
        l->missing = true;
        return NULL;
    }
    osp_str found = osp_gnu_build_id(object);
    if (id.n && found.n && !osp_str_eq(found, id)) {
        osp_tell(o, "Local symbolization failed for %.*s%s%.*s%s: build ID mismatch", STRF(base), open, STRF(id),
                 close);
        return NULL;
    }
    return object;
}

/* Is some mapping the kernel that runs here? */
static bool is_this_kernel(const looking *l)
{
    char id[160];
    bool asked = false;
    for (uint32_t i = 1; i < l->p->mappings.n; i++) {
        const osp_mapping *m = &l->p->mappings.row[i];
        if (!l->used[i] || is_named(m) || !osp_str_starts(osp_text(l->p, m->file), S("[kernel.kallsyms]")))
            continue;
        if (!asked)
            kernel_build_id(id, sizeof id);
        asked = true;
        if (!id[0] || !osp_str_eq(osp_text(l->p, m->build_id), osp_str_from(id)))
            return false;
    }
    return asked;
}

bool osp_symbolise_local(const osp_symbolising *s, const osp_profile *p, osp_profile **out, osp_err *err)
{
    *out = NULL;
    osp_object **object = calloc(p->mappings.n, sizeof *object);
    looking l = {.s = s, .p = p, .used = calloc(p->mappings.n, 1)};
    bool ok = object && l.used, any = false;
    for (uint32_t i = 0; ok && i < p->locations.n; i++)
        l.used[p->locations.mapping[i].i] = 1;
    for (uint32_t i = 1; ok && i < p->mappings.n; i++) {
        object[i] = object_for(&l, i);
        any |= object[i] != NULL;
    }
    if (l.missing && !s->opts->strict)
        osp_tell(s->opts, "Some binary filenames not available. Symbolization may be incomplete.\n"
                          "Try setting PPROF_BINARY_PATH to the search path for local binaries.");
    bool this_kernel = ok && is_this_kernel(&l);
    if (any || this_kernel) {
        osp_symbol_stats ignored; /* what stays an address is seen in the report */
        const osp_symbol_sources from = {
            .object = object,
            .nobject = p->mappings.n,
            .this_kernel = this_kernel,
            .pprof_way = true,
            .again = s->mode.force,
            .names_only = s->mode.fast,
        };
        *out = osp_symbolise(p, &from, &ignored, err);
        ok = *out != NULL;
    } else if (!ok) {
        osp_fail_memory(err, "symbolising");
    }
    free(l.used);
    free(object);
    return ok;
}
