/* SPDX-License-Identifier: Apache-2.0 */
/* symbolise.c: names for addresses that come without: from the files on this machine, then from the servers that the
 * profile came from. Mappings that have names already are left alone, if nothing else is wished. */
#include "source_internal.h"

#include "base/cur.h"
#include "base/hash.h"
#include "base/limit.h"
#include "symbol/symbol.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

enum { SYMBOL_WAIT_MS = 60000, LONGEST_URL = 1 << 16 };

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
    osp_str base = osp_str_base(file);
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
        if (i == 1)
            osp_tell(o, "Main binary filename not available.");
        l->missing |= i > 1;
        return NULL;
    }
    if (is_no_file(file) || (id.n == 0 && osp_is_absolute_url(file) && osp_str_starts(file, S("http"))))
        return NULL;
    char path[4096];
    osp_err why;
    osp_str base = osp_str_base(file);
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
    if (l.missing)
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

/* ---- by the server --------------------------------------------------------------------------------------------- */

/* Names that a server gave. */
typedef struct {
    osp_intern addrs; /* 8 bytes each: a location's address in the profile */
    osp_str *name;    /* by id; views into the answer */
    osp_arena arena;
    const osp_profile *p;
    osp_mapping_id mapping;
} answers;

/* addr + offset; false if it runs over, or if nothing is to be subtracted, as the peer has it. */
static bool shift(uint64_t addr, int64_t offset, uint64_t *out)
{
    *out = addr + (uint64_t)offset;
    return offset < 0 ? *out < addr : *out >= addr;
}

static bool has_no_name(const osp_profile *p, uint32_t location, uint32_t mapping)
{
    return p->locations.mapping[location].i == mapping && p->locations.addr[location] &&
           p->locations.first[location] == p->locations.first[location + 1];
}

/* "0x1234+0x5678"; empty if nothing is to be asked. */
static bool question(const osp_profile *p, uint32_t mapping, int64_t offset, osp_buf *out, osp_err *err)
{
    for (uint32_t i = 0; i < p->locations.n; i++) {
        uint64_t addr;
        if (!has_no_name(p, i, mapping))
            continue;
        if (!shift(p->locations.addr[i], offset, &addr))
            return osp_fail(err, OSP_EFORMAT, "cannot adjust address %" PRIu64 " by %" PRId64 ", it would overflow",
                            p->locations.addr[i], offset);
        osp_buf_fmt(out, "%s0x%" PRIx64, out->n ? "+" : "", addr);
    }
    return !out->failed || osp_fail_memory(err, "asking for names");
}

static bool keep_answer(answers *a, uint64_t addr, osp_str name)
{
    uint64_t *key = osp_new(&a->arena, uint64_t, 1);
    if (!key)
        return false;
    *key = addr;
    uint32_t id = osp_intern_put(&a->addrs, (osp_str){(const char *)key, sizeof *key}, NULL);
    if (id == UINT32_MAX)
        return false;
    a->name[id] = name;
    return true;
}

/* A line "0x1234 name", with whatever before it. */
static bool read_line(osp_str line, uint64_t *addr, osp_str *name, osp_err *err)
{
    for (;;) {
        size_t at = osp_str_find(line, S("0x")), digits = 0;
        if (at == line.n)
            return true;
        line = osp_str_skip(line, at + 2);
        while (digits < line.n && isxdigit((unsigned char)line.p[digits]))
            digits++;
        osp_str rest = osp_str_skip(line, digits);
        if (!digits || !rest.n || !isspace((unsigned char)rest.p[0]))
            continue;
        *name = osp_str_trim(rest);
        return osp_str_u64(osp_str_head(line, digits), 16, addr) ||
               osp_fail(err, OSP_EFORMAT, "unexpected parse failure 0x%.*s: it takes more than 64 bits",
                        STRF(osp_str_head(line, digits)));
    }
}

static bool read_answer(answers *a, osp_str text, int64_t offset, osp_err *err)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    a->name = calloc(lines, sizeof *a->name);
    while (a->name && text.n && memchr(text.p, '\n', text.n)) {
        osp_str name = {0};
        uint64_t addr = 0, at;
        if (!read_line(osp_str_cut(&text, '\n'), &addr, &name, err))
            return false;
        if (!name.n)
            continue;
        if (!shift(addr, (int64_t)(0 - (uint64_t)offset), &at))
            return osp_fail(err, OSP_EFORMAT,
                            "cannot adjust symbolz address %" PRIu64 " by %" PRId64 ", it would overflow", addr,
                            (int64_t)(0 - (uint64_t)offset));
        if (!keep_answer(a, at, name))
            return osp_fail_memory(err, "keeping names");
    }
    return a->name || osp_fail_memory(err, "keeping names");
}

static size_t name_of(void *ctx, osp_location_id at, osp_frame_text *out, size_t max)
{
    const answers *a = ctx;
    if (a->p->locations.mapping[at.i].i != a->mapping.i || !max)
        return 0;
    uint32_t id = osp_intern_find(&a->addrs, (osp_str){(const char *)&a->p->locations.addr[at.i], sizeof(uint64_t)});
    if (id == UINT32_MAX)
        return 0;
    out[0] = (osp_frame_text){.name = a->name[id], .linker_name = a->name[id]};
    return 1;
}

static bool post(const osp_symbolising *s, const char *url, osp_str addresses, osp_buf *answer, osp_err *err)
{
    osp_http_answer got;
    const osp_http_ask ask = {
        .url = url,
        .post = &addresses,
        .timeout_ms = SYMBOL_WAIT_MS,
        .limit = osp_memory_limit(),
        .tls_cert = s->opts->tls_cert,
        .tls_key = s->opts->tls_key,
        .tls_ca = s->opts->tls_ca,
    };
    if (!osp_http(s->net, &ask, &got, err))
        return osp_fail_in(err, "http post %s", url);
    *answer = got.body;
    if (got.status == 200)
        return true;
    bool explains = got.go_pprof && strstr(got.content_type, "text/plain");
    return osp_fail(err, OSP_EIO, "http post %s: server response: %s%s%.*s", url, got.status_line,
                    explains ? " - " : "", explains ? osp_str_width(osp_buf_str(answer)) : 0,
                    explains ? answer->p : "");
}

/* Names for one mapping from one server. */
static bool ask_server(const osp_symbolising *s, const osp_profile *p, uint32_t mapping,
                       const osp_mapping_source *from, const char *url, osp_profile **out, osp_err *err)
{
    int64_t offset = (int64_t)(from->start - p->mappings.row[mapping].start);
    osp_buf addresses = osp_buf_of(osp_memory_limit()), text = osp_buf_of(0);
    answers a = {.p = p, .mapping = {mapping}};
    osp_arena_init(&a.arena, osp_memory_limit());
    bool ok = question(p, mapping, offset, &addresses, err);
    if (ok && addresses.n) {
        ok = post(s, url, osp_buf_str(&addresses), &text, err) && read_answer(&a, osp_buf_str(&text), offset, err) &&
             (*out = osp_profile_with_lines(p, name_of, &a, err)) != NULL;
    }
    osp_intern_drop(&a.addrs);
    free(a.name);
    osp_arena_drop(&a.arena);
    osp_buf_drop(&text);
    osp_buf_drop(&addresses);
    return ok;
}

static const osp_mapping_source *server_of(const osp_symbolising *s, const osp_profile *p, const osp_mapping *m,
                                           osp_buf *url)
{
    const osp_str key[] = {osp_text(p, m->file), osp_text(p, m->build_id)};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; key[k].n && i < s->nsource; i++)
            if (osp_str_eq(s->source[i].key, key[k])) {
                url->n = 0;
                if (osp_symbol_url(s->source[i].url, url))
                    return &s->source[i];
            }
    return NULL;
}

bool osp_symbolise_remote(const osp_symbolising *s, const osp_profile *p, uint32_t mapping, bool *served,
                          osp_profile **out, osp_err *err)
{
    const osp_mapping *m = &p->mappings.row[mapping];
    osp_buf url = osp_buf_of(LONGEST_URL);
    bool ok = true;
    *out = NULL;
    const osp_mapping_source *from =
        s->net && (s->mode.force || !(m->has & OSP_HAS_FUNCTIONS)) ? server_of(s, p, m, &url) : NULL;
    *served = from != NULL;
    if (from) {
        osp_buf_byte(&url, 0);
        ok = ask_server(s, p, mapping, from, url.p, out, err);
    }
    osp_buf_drop(&url);
    return ok;
}
