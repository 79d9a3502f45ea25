/* SPDX-License-Identifier: Apache-2.0 */
/* JSON (RFC 8259) into a flat list of nodes, a value behind its key and members behind what holds them:
 *
 *     {"a": [1, "x"], "b": null}     →     object, "a", array, 1, "x", "b", null
 *
 * Each node knows where the next one on its level stands, so that what is not wanted is stepped over. Texts stay in the
 * input; nothing recurses. */
#include "wire/wire.h"

#include <stdlib.h>

enum { DEEPEST = 512 };

typedef struct {
    osp_doc *doc;
    osp_str in;
    size_t at;
    osp_err *err;
    uint32_t open[DEEPEST]; /* nodes of arrays and objects we are in */
    unsigned depth;
} parser;

static bool wrong(parser *p, const char *what)
{
    return osp_fail(p->err, OSP_EFORMAT, "JSON+0x%zx: %s", p->at, what);
}

static void skip_blanks(parser *p)
{
    while (p->at < p->in.n &&
           (p->in.p[p->at] == ' ' || p->in.p[p->at] == '\n' || p->in.p[p->at] == '\r' || p->in.p[p->at] == '\t'))
        p->at++;
}

static char peek(parser *p)
{
    skip_blanks(p);
    return p->at < p->in.n ? p->in.p[p->at] : 0;
}

static bool add(parser *p, osp_doc_kind kind, size_t at, size_t n)
{
    void *all = p->doc->node;
    if (p->doc->n == UINT32_MAX || n > UINT32_MAX ||
        !osp_grow(&all, &p->doc->cap, (size_t)p->doc->n + 1, sizeof *p->doc->node))
        return osp_fail_memory(p->err, "reading JSON");
    p->doc->node = all;
    p->doc->node[p->doc->n] = (osp_doc_node){at, (uint32_t)n, p->doc->n + 1, (uint8_t)kind, false};
    p->doc->n++;
    return true;
}

static bool read_string(parser *p)
{
    size_t start = ++p->at;
    bool escaped = false;
    for (;; p->at++) {
        if (p->at >= p->in.n)
            return wrong(p, "a text without an end");
        char c = p->in.p[p->at];
        if (c == '"')
            break;
        if (c == '\\') {
            escaped = true;
            p->at++;
        }
    }
    if (p->at >= p->in.n || !add(p, OSP_DOC_TEXT, start, p->at - start))
        return p->at < p->in.n ? false : wrong(p, "a text without an end");
    p->doc->node[p->doc->n - 1].escaped = escaped;
    p->at++;
    return true;
}

static bool read_word(parser *p)
{
    static const struct {
        osp_str word;
        osp_doc_kind kind;
    } words[] = {{{"null", 4}, OSP_DOC_NULL}, {{"true", 4}, OSP_DOC_TRUE}, {{"false", 5}, OSP_DOC_FALSE}};
    osp_str rest = osp_str_skip(p->in, p->at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (osp_str_starts(rest, words[i].word)) {
            p->at += words[i].word.n;
            return add(p, words[i].kind, p->at, 0);
        }
    size_t n = 0;
    while (n < rest.n && n < 64 && rest.p[n] && strchr("+-0123456789.eE", rest.p[n]))
        n++;
    p->at += n;
    return n ? add(p, OSP_DOC_NUMBER, p->at - n, n) : wrong(p, "no value");
}

/* A value, or the start of one that holds others. */
static bool read_value(parser *p)
{
    char c = peek(p);
    if (c == '"')
        return read_string(p);
    if (c != '{' && c != '[')
        return read_word(p);
    if (p->depth == DEEPEST)
        return wrong(p, "too deep");
    p->open[p->depth++] = p->doc->n;
    p->at++;
    return add(p, c == '{' ? OSP_DOC_OBJECT : OSP_DOC_ARRAY, p->at, 0);
}

static bool read_key(parser *p)
{
    if (peek(p) != '"')
        return wrong(p, "no key");
    if (!read_string(p))
        return false;
    if (peek(p) != ':')
        return wrong(p, "no colon behind a key");
    p->at++;
    return true;
}

/* Close what ends here; then there must be a comma, or the end. */
static bool after_value(parser *p)
{
    while (p->depth) {
        osp_doc_node *in = &p->doc->node[p->open[p->depth - 1]];
        char c = peek(p), end = in->kind == OSP_DOC_OBJECT ? '}' : ']';
        if (c == ',') {
            p->at++;
            return in->kind != OSP_DOC_OBJECT || read_key(p);
        }
        if (c != end)
            return wrong(p, p->at < p->in.n ? "neither a comma nor the end" : "cut short");
        p->at++;
        in->next = p->doc->n;
        p->depth--;
    }
    return true;
}

static bool read_all(parser *p)
{
    do {
        uint32_t before = p->doc->n;
        if (!read_value(p))
            return false;
        bool object = p->doc->node[before].kind == OSP_DOC_OBJECT,
             holds = object || p->doc->node[before].kind == OSP_DOC_ARRAY;
        if (holds && peek(p) != (object ? '}' : ']')) {
            if (object && !read_key(p))
                return false;
            continue;
        }
        if (!after_value(p))
            return false;
    } while (p->depth);
    return peek(p) == 0 && p->at >= p->in.n ? true : wrong(p, "something behind the value");
}

bool osp_doc_read(osp_str json, osp_doc *out, osp_err *err)
{
    *out = (osp_doc){.in = json};
    osp_arena_init(&out->arena, json.n + 4096);
    parser *p = calloc(1, sizeof *p);
    if (!p)
        return osp_fail_memory(err, "reading JSON");
    p->doc = out;
    p->in = json;
    p->err = err;
    bool ok = read_all(p);
    free(p);
    if (!ok)
        osp_doc_drop(out);
    return ok;
}

void osp_doc_drop(osp_doc *d)
{
    free(d->node);
    osp_arena_drop(&d->arena);
    *d = (osp_doc){0};
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

uint32_t osp_doc_member(const osp_doc *d, uint32_t object, const char *key)
{
    if (!d->n || d->node[object].kind != OSP_DOC_OBJECT)
        return 0;
    osp_str want = osp_str_from(key);
    for (uint32_t k = object + 1; k + 1 < d->node[object].next; k = d->node[k + 1].next)
        if (osp_str_eq(osp_doc_raw(d, k), want))
            return k + 1;
    return 0;
}

static unsigned hex4(osp_str s, size_t at)
{
    uint64_t v = 0;
    return at + 4 <= s.n && osp_str_u64((osp_str){s.p + at, 4}, 16, &v) ? (unsigned)v : 0xfffd;
}

/* Escapes only ever get shorter. */
static osp_str unescape(osp_str s, char *to)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\\' || i + 1 >= s.n) {
            to[n++] = s.p[i];
            continue;
        }
        const char *at = strchr(plain, s.p[++i]);
        if (at && *at) {
            to[n++] = meant[at - plain];
        } else if (s.p[i] == 'u') {
            unsigned c = hex4(s, i + 1), low;
            i += i + 4 < s.n ? 4 : s.n - 1 - i;
            if (c >> 10 == 0x36 && i + 6 < s.n && s.p[i + 1] == '\\' && (low = hex4(s, i + 3)) >> 10 == 0x37) {
                c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
                i += 6;
            }
            n += osp_utf8_put(to + n, c >> 11 == 0x1b ? 0xfffd : c);
        }
    }
    return (osp_str){to, n};
}

osp_str osp_doc_text(osp_doc *d, uint32_t node)
{
    if (node == 0 || d->node[node].kind != OSP_DOC_TEXT)
        return S("");
    osp_str raw = osp_doc_raw(d, node);
    if (!d->node[node].escaped)
        return raw;
    char *to = osp_new(&d->arena, char, raw.n + 4);
    return to ? unescape(raw, to) : S("");
}

double osp_doc_number(const osp_doc *d, uint32_t node)
{
    char text[72];
    if (node >= d->n || d->node[node].kind != OSP_DOC_NUMBER)
        return 0;
    return strtod(osp_str_z(osp_doc_raw(d, node), text, sizeof text), NULL);
}

int64_t osp_doc_int(const osp_doc *d, uint32_t node)
{
    uint64_t u;
    if (node >= d->n || d->node[node].kind != OSP_DOC_NUMBER)
        return 0;
    osp_str s = osp_doc_raw(d, node);
    bool negative = s.n && s.p[0] == '-';
    if (osp_str_u64(osp_str_skip(s, negative), 10, &u) && u <= INT64_MAX)
        return negative ? -(int64_t)u : (int64_t)u;
    double v = osp_doc_number(d, node);
    return v >= 9.2e18 ? INT64_MAX : v <= -9.2e18 ? INT64_MIN : (int64_t)v;
}
