/* SPDX-License-Identifier: Apache-2.0 */
/* remote.c: names for addresses from the server that a profile came from: it is sent "0x1234+0x5678" and answers in lines
 * "0x1234 name". */
#include "source_internal.h"

#include "base/limit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

enum { SYMBOL_WAIT_MS = 60000, LONGEST_URL = 1 << 16 };

/* The names for one mapping of a profile. */
typedef struct {
    osp_server_names names;
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

static bool keep_name(osp_server_names *a, uint64_t addr, osp_str name)
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

bool osp_read_server_names(osp_str text, int64_t offset, osp_server_names *a, osp_err *err)
{
    *a = (osp_server_names){0};
    osp_arena_init(&a->arena, osp_memory_limit());
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
        if (!keep_name(a, at, name))
            return osp_fail_memory(err, "keeping names");
    }
    return a->name || osp_fail_memory(err, "keeping names");
}

void osp_server_names_drop(osp_server_names *a)
{
    osp_intern_drop(&a->addrs);
    free(a->name);
    osp_arena_drop(&a->arena);
}

static size_t name_of(void *ctx, osp_location_id at, osp_frame_text *out, size_t max)
{
    const answers *a = ctx;
    if (a->p->locations.mapping[at.i].i != a->mapping.i || !max)
        return 0;
    osp_str addr = {(const char *)&a->p->locations.addr[at.i], sizeof(uint64_t)};
    uint32_t id = osp_intern_find(&a->names.addrs, addr);
    if (id == UINT32_MAX)
        return 0;
    out[0] = (osp_frame_text){.name = a->names.name[id], .linker_name = a->names.name[id]};
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
    bool ok = question(p, mapping, offset, &addresses, err);
    if (ok && addresses.n)
        ok = post(s, url, osp_buf_str(&addresses), &text, err) &&
             osp_read_server_names(osp_buf_str(&text), offset, &a.names, err) &&
             (*out = osp_profile_with_lines(p, name_of, &a, err)) != NULL;
    osp_server_names_drop(&a.names);
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
