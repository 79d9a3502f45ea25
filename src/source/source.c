/* SPDX-License-Identifier: Apache-2.0 */
/* source.c: the order of work: fetch, locate binaries, merge, subtract the base, symbolise, comment, save. */
#include "source_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

struct osp_source {
    osp_arena arena;
    const osp_profile *profile; /* the last that was made */
    osp_profile **made;         /* each may stand on those before it */
    size_t nmade, made_cap;
    osp_objects *objects;
    osp_net *net;
    osp_mapping_source *server;
    size_t nserver, server_cap;
    osp_symbol_mode mode;
    bool *served; /* by mapping: a server was there to name its addresses */
    bool all_frames;
};

void osp_tell(const osp_source_opts *o, const char *fmt, ...)
{
    if (!o->say)
        return;
    osp_buf line = osp_buf_of(1 << 20);
    va_list ap;
    va_start(ap, fmt);
    osp_buf_vfmt(&line, fmt, ap);
    va_end(ap);
    line.n -= line.n && line.p[line.n - 1] == '\n'; /* a server's */
    o->say(o->say_ctx, osp_buf_str(&line));
    osp_buf_drop(&line);
}

bool osp_is_object_file(const char *path)
{
    static const uint8_t magic[][4] = {
        {0x7f, 'E', 'L', 'F'},    {0xfe, 0xed, 0xfa, 0xce}, /* Mach-O: 32 and 64 bit, of both orders, and several in one */
        {0xfe, 0xed, 0xfa, 0xcf}, {0xce, 0xfa, 0xed, 0xfe}, {0xcf, 0xfa, 0xed, 0xfe}, {0xca, 0xfe, 0xba, 0xbe},
    };
    uint8_t head[4] = {0};
    OSP_AUTO_CLOSE int fd = osp_open_regular(path);
    if (fd < 0 || read(fd, head, sizeof head) != sizeof head)
        return false;
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (memcmp(head, magic[i], sizeof head) == 0)
            return true;
    return head[0] == 'M' && head[1] == 'Z';
}

/* ---- what is kept ---------------------------------------------------------------------------------------------- */

/* Take p over and go on with it. False if there is none. */
static bool go_on_with(osp_source *s, osp_profile *p, osp_err *err)
{
    void *made = s->made;
    if (!p)
        return false;
    if (!osp_grow(&made, &s->made_cap, s->nmade + 1, sizeof(osp_profile *))) {
        osp_profile_drop(p);
        return osp_fail_memory(err, "keeping profiles");
    }
    s->made = made;
    s->made[s->nmade++] = p;
    s->profile = p;
    return true;
}

/* A merged profile needs those that own its stacks, not those that borrow from them: give back these, from number `first` on. */
static void drop_parts(osp_source *s, size_t first)
{
    osp_profile *merged = s->made[--s->nmade];
    while (s->nmade > first)
        osp_profile_drop(s->made[--s->nmade]);
    s->made[s->nmade++] = merged;
}

/* Where the mappings of p came from. */
static bool keep_servers(osp_source *s, const osp_profile *p, const char *url, osp_err *err)
{
    void *server = s->server;
    osp_str where = osp_arena_str(&s->arena, osp_str_from(url));
    if (!where.p || !osp_grow(&server, &s->server_cap, s->nserver + p->mappings.n, sizeof *s->server))
        return osp_fail_memory(err, "keeping sources");
    s->server = server;
    for (uint32_t i = 1; i < p->mappings.n; i++) {
        const osp_mapping *m = &p->mappings.row[i];
        osp_str key = osp_arena_str(&s->arena, osp_text(p, m->build_id.i ? m->build_id : m->file));
        if (!key.p)
            return osp_fail_memory(err, "keeping sources");
        s->server[s->nserver++] = (osp_mapping_source){key, where, m->start};
    }
    return true;
}

/* ---- fetch and merge ------------------------------------------------------------------------------------------- */

/* One of those fetched, with its binaries located. */
static bool settle(osp_source *s, const osp_source_opts *o, osp_fetch *f, osp_err *err)
{
    osp_profile *p = f->profile;
    f->profile = NULL;
    return go_on_with(s, p, err) &&
           go_on_with(s, osp_locate_binaries(o, s->objects, p, osp_str_from(f->url.p), err), err) &&
           (f->url.n == 0 || keep_servers(s, s->profile, f->url.p, err));
}

/* Several profiles merged; one as it is, but for sample types that no sum could have. */
static bool as_one(osp_source *s, const osp_profile *const *in, uint32_t n, osp_err *err)
{
    osp_profile *single;
    if (n == 1)
        return osp_profile_with_single_types(in[0], &single, err) && (!single || go_on_with(s, single, err));
    return go_on_with(s, osp_profile_merge(in, n, err), err);
}

/* The n profiles of a group as one, s->profile; what failed is said. */
static bool gather(osp_source *s, const osp_source_opts *o, osp_fetch *f, size_t n, const char *what, bool *is_remote,
                   osp_err *err)
{
    const osp_profile **in = calloc(n, sizeof *in);
    uint32_t count = 0;
    bool ok = in || osp_fail_memory(err, "gathering profiles");
    for (size_t i = 0; ok && i < n; i++) {
        if (f[i].note.n)
            osp_tell(o, "%s: %.*s", f[i].name, STRF(osp_buf_str(&f[i].note)));
        if (!f[i].profile && o->strict) {
            ok = osp_fail(err, OSP_EIO, "%s: %.*s", f[i].name, STRF(osp_buf_str(&f[i].why)));
            break;
        }
        if (!f[i].profile) {
            osp_tell(o, "%s: %.*s", f[i].name, STRF(osp_buf_str(&f[i].why)));
            continue;
        }
        *is_remote |= f[i].url.n > 0;
        ok = settle(s, o, &f[i], err);
        in[count++] = s->profile;
    }
    if (ok && count == 0)
        ok = osp_fail(err, OSP_EIO, "failed to fetch any %s profiles", what);
    if (ok && count)
        ok = as_one(s, in, count, err) || osp_fail_in(err, "problem fetching %s profiles", what);
    if (ok && count < n)
        osp_tell(o, "Fetched %u %s profiles out of %zu", count, what, n);
    free(in);
    return ok;
}

/* source - base, in the arithmetic of -base, -diff_base and -normalize. */
static bool subtract(osp_source *s, const osp_source_opts *o, const osp_profile *source, osp_err *err)
{
    const size_t first = s->nmade;
    if (o->diff_base && !go_on_with(s, osp_profile_with_label(s->profile, S("pprof::base"), S("true"), err), err))
        return false;
    const osp_profile *base = s->profile;
    if (o->normalize) {
        if (!go_on_with(s, osp_profile_normalized(source, base, err), err))
            return false;
        source = s->profile;
    }
    double *minus = calloc((size_t)base->values.n + 1, sizeof *minus);
    if (!minus)
        return osp_fail_memory(err, "subtracting profiles");
    for (uint32_t i = 0; i < base->values.n; i++)
        minus[i] = -1;
    bool ok = go_on_with(s, osp_profile_scaled(base, minus, err), err);
    free(minus);
    const osp_profile *const both[] = {source, s->profile};
    if (!ok || !go_on_with(s, osp_profile_merge(both, 2, err), err))
        return false;
    drop_parts(s, first);
    return true;
}

static bool fetch(osp_source *s, const osp_source_opts *o, bool *is_remote, osp_err *err)
{
    size_t n = o->nsource + o->nbase;
    osp_fetch *f = calloc(n, sizeof *f);
    if (!f)
        return osp_fail_memory(err, "fetching profiles");
    for (size_t i = 0; i < n; i++)
        f[i].name = i < o->nsource ? o->source[i] : o->base[i - o->nsource];
    bool ok = osp_fetch_all(o, f, n, &s->net, err) && gather(s, o, f, o->nsource, "source", is_remote, err);
    const osp_profile *source = s->profile;
    if (ok && o->nbase)
        ok = gather(s, o, f + o->nsource, o->nbase, "base", is_remote, err) && subtract(s, o, source, err);
    for (size_t i = 0; i < n; i++) {
        osp_profile_drop(f[i].profile);
        osp_buf_drop(&f[i].url);
        osp_buf_drop(&f[i].why);
        osp_buf_drop(&f[i].note);
    }
    free(f);
    return ok;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static bool symbolise(osp_source *s, const osp_source_opts *o, osp_err *err)
{
    osp_profile *named;
    s->mode = osp_read_symbol_mode(o);
    const osp_symbolising how = {o, s->mode, s->objects, s->net, s->server, s->nserver};
    s->served = calloc(s->profile->mappings.n, sizeof *s->served);
    if (!s->served)
        return osp_fail_memory(err, "symbolising");
    if (s->mode.none)
        return true;
    if (s->mode.local &&
        (!osp_symbolise_local(&how, s->profile, &named, err) || (named && !go_on_with(s, named, err))))
        return false;
    for (uint32_t i = 1; s->mode.remote && i < s->profile->mappings.n; i++)
        if (!osp_symbolise_remote(&how, s->profile, i, &s->served[i], &named, err) ||
            (named && !go_on_with(s, named, err)))
            return false;
    return !s->mode.force || go_on_with(s, osp_profile_with_linker_names(s->profile, err), err);
}

/* Mappings that were called by their server's URL have no name again; those that it named have functions. */
static bool forget_servers(osp_source *s, osp_err *err)
{
    const osp_profile *p = s->profile;
    osp_mapping_text *row = calloc(p->mappings.n, sizeof *row);
    bool any = false, ok = row || osp_fail_memory(err, "naming mappings");
    for (uint32_t i = 1; ok && i < p->mappings.n; i++) {
        const osp_mapping *m = &p->mappings.row[i];
        bool is_url = m->build_id.i == 0 && osp_is_absolute_url(osp_text(p, m->file));
        row[i] = (osp_mapping_text){.start = m->start,
                                    .limit = m->limit,
                                    .offset = m->offset,
                                    .file = is_url ? S("") : osp_text(p, m->file),
                                    .build_id = osp_text(p, m->build_id),
                                    .has = m->has | (s->served[i] ? OSP_HAS_FUNCTIONS : 0)};
        any |= is_url || s->served[i];
    }
    ok = ok && (!any || go_on_with(s, osp_profile_with_mappings(p, row, p->mappings.n, err), err));
    free(row);
    return ok;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static bool save(const osp_source *s, const osp_source_opts *o, osp_err *err)
{
    osp_query q = {.granularity = OSP_BY_ADDRESS, .rows = true};
    osp_source_prepare(s, &q);
    return osp_save_profile(o, s->profile, &q, err);
}

static bool open_all(osp_source *s, const osp_source_opts *o, osp_err *err)
{
    bool is_remote = false;
    return fetch(s, o, &is_remote, err) && symbolise(s, o, err) && forget_servers(s, err) &&
           (!o->comment || !*o->comment ||
            go_on_with(s, osp_profile_with_comment(s->profile, osp_str_from(o->comment), err), err)) &&
           (!is_remote || save(s, o, err));
}

osp_source *osp_source_open(const osp_source_opts *o, osp_err *err)
{
    if (o->nsource == 0) {
        osp_fail(err, OSP_EUSAGE, "no profile source specified");
        return NULL;
    }
    osp_source *s = calloc(1, sizeof *s);
    if (s)
        s->objects = osp_objects_new(NULL);
    if (!s || !s->objects) {
        free(s);
        osp_fail_memory(err, "fetching profiles");
        return NULL;
    }
    osp_arena_init(&s->arena, SIZE_MAX / 2);
    s->all_frames = o->all_frames;
    if (open_all(s, o, err))
        return s;
    osp_source_close(s);
    return NULL;
}

void osp_source_close(osp_source *s)
{
    if (!s)
        return;
    while (s->nmade)
        osp_profile_drop(s->made[--s->nmade]);
    free(s->made);
    free(s->server);
    free(s->served);
    osp_objects_drop(s->objects);
    osp_net_close(s->net);
    osp_arena_drop(&s->arena);
    free(s);
}

const osp_profile *osp_source_profile(const osp_source *s) { return s->profile; }

void osp_source_prepare(const osp_source *s, osp_query *q)
{
    static osp_demangler *const demangler[] = {
        [OSP_NAMES_BRIEF] = osp_brief_name,
        [OSP_NAMES_TEMPLATES] = osp_template_name,
        [OSP_NAMES_FULL] = osp_full_name,
    };
    q->keep_all_frames = s->all_frames;
    q->raw_names = s->mode.none || s->mode.names == OSP_NAMES_MANGLED;
    q->demangle = q->raw_names ? NULL : demangler[s->mode.names];
    q->keep_templates = s->mode.names != OSP_NAMES_BRIEF;
    q->keep_parameters = s->mode.names == OSP_NAMES_FULL;
}

osp_object *osp_source_object(osp_source *s, osp_mapping_id mapping, osp_err *err)
{
    const osp_profile *p = s->profile;
    osp_str file = mapping.i < p->mappings.n ? osp_text(p, p->mappings.row[mapping.i].file) : S("");
    char path[4096];
    if (file.n)
        return osp_open_object(s->objects, osp_str_z(file, path, sizeof path), err);
    osp_fail(err, OSP_EABSENT, "the profile does not say which file was mapped there");
    return NULL;
}
