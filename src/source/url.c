/* SPDX-License-Identifier: Apache-2.0 */
/* url.c: which sources are URLs, and which URL exactly: by the rules of Go's net/url, whose spelling of a URL the peer
 * prints and sends. "localhost:6060" is one, and means its CPU profile; "C:\x" and "some/file" are none. */
#include "source_internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { LONGEST_URL = 1 << 16 };

typedef struct {
    osp_str scheme, user, host, path, query, fragment;
    bool opaque;      /* scheme:text, without a host */
    bool force_query; /* ends in a '?' */
} url;

/* ---- characters ------------------------------------------------------------------------------------------------ */

static bool is_one_of(char c, const char *set) { return c && strchr(set, c); }

static bool is_unreserved(char c) { return isalnum((unsigned char)c) || is_one_of(c, "-_.~"); }

/* s with %XX (and in queries '+') decoded, in the arena; {NULL, 0} if a '%' has no two digits behind it. */
static osp_str unescape(osp_arena *a, osp_str s, bool is_query)
{
    char *out = osp_new(a, char, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (s.n - i < 3 || osp_digit(s.p[i + 1]) > 15 || osp_digit(s.p[i + 2]) > 15)
                return (osp_str){0};
            c = (char)(osp_digit(s.p[i + 1]) << 4 | osp_digit(s.p[i + 2]));
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        out[n++] = c;
    }
    return (osp_str){out, n};
}

/* s with all but unreserved characters and those of keep as %XX. */
static void escape(osp_buf *out, osp_str s, const char *keep, bool is_query)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (is_query && c == ' ')
            osp_buf_byte(out, '+');
        else if (is_unreserved(c) || is_one_of(c, keep))
            osp_buf_byte(out, (uint8_t)c);
        else
            osp_buf_fmt(out, "%%%02X", (unsigned char)c);
    }
}

static bool all_of(osp_str s, const char *others)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_unreserved(s.p[i]) && !is_one_of(s.p[i], others))
            return false;
    return true;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* The scheme before ':', in *rest what follows; false if a ':' stands where no scheme can be. */
static bool read_scheme(osp_str s, osp_str *scheme, osp_str *rest)
{
    *scheme = (osp_str){0};
    *rest = s;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (isalpha((unsigned char)c))
            continue;
        if (c == ':') {
            *scheme = osp_str_head(s, i);
            *rest = osp_str_skip(s, i + 1);
            return i > 0;
        }
        if (i == 0 || !(isdigit((unsigned char)c) || is_one_of(c, "+-.")))
            return true;
    }
    return true;
}

static bool is_port(osp_str s) /* "" or ":123" */
{
    if (s.n && s.p[0] != ':')
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!isdigit((unsigned char)s.p[i]))
            return false;
    return true;
}

static bool is_of_host(char c) { return is_unreserved(c) || is_one_of(c, "!$&'()*+,;=:]<>\""); }

/* What is not ASCII may be written as %XX, and nothing else. */
static bool is_host(osp_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned high = s.p[i] == '%' && s.n - i > 2 ? osp_digit(s.p[i + 1]) : 0;
        bool escaped = high >= 8 && high <= 15 && osp_digit(s.p[i + 2]) <= 15;
        if (!((unsigned char)s.p[i] >= 0x80 || escaped || is_of_host(s.p[i])))
            return false;
    }
    return true;
}

/* The zone of an address, RFC 6874. A percent sign and a blank may be written as %XX, and what need not be. */
static bool is_zone(osp_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            if (!is_of_host(s.p[i]))
                return false;
            continue;
        }
        const unsigned high = s.n - i > 2 ? osp_digit(s.p[i + 1]) : 16,
                       low = s.n - i > 2 ? osp_digit(s.p[i + 2]) : 16;
        const char c = (char)(high << 4 | low);
        if (high > 7 || low > 15 || !(c == '%' || c == ' ' || is_of_host(c)))
            return false;
        i += 2;
    }
    return s.n > 0;
}

/* What stands in brackets: an address of IPv6. */
static bool is_literal(osp_str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const osp_str head = osp_str_head(s, osp_str_find(s, S("%25")));
    return head.n < sizeof text && inet_pton(AF_INET6, osp_str_z(head, text, sizeof text), &address) == 1 &&
           (head.n == s.n || is_zone(osp_str_skip(s, head.n + 3)));
}

static bool is_web(osp_str scheme)
{
    return (scheme.n == 4 && strncasecmp(scheme.p, "http", 4) == 0) ||
           (scheme.n == 5 && strncasecmp(scheme.p, "https", 5) == 0);
}

static bool read_authority(osp_str s, url *u)
{
    size_t at = osp_str_rfind(s, '@');
    if (at < s.n) {
        u->user = osp_str_head(s, at);
        s = osp_str_skip(s, at + 1);
        if (!all_of(u->user, ":!$&'()*+,;=%@"))
            return false;
    }
    u->host = s;
    if (s.n && s.p[0] == '[') {
        size_t end = osp_str_rfind(s, ']');
        return end < s.n && is_port(osp_str_skip(s, end + 1)) &&
               is_literal(osp_str_head(osp_str_skip(s, 1), end - 1));
    }
    size_t colon = osp_str_find(s, S(":"));
    if (!is_web(u->scheme)) /* others may have several */
        colon = osp_str_rfind(s, ':');
    osp_str name = osp_str_head(s, colon);
    return is_port(osp_str_skip(s, name.n)) && is_host(name);
}

static bool read_url(osp_str s, url *u)
{
    *u = (url){0};
    osp_str rest = osp_str_cut(&s, '#');
    u->fragment = s;
    for (size_t i = 0; i < rest.n; i++)
        if ((unsigned char)rest.p[i] < ' ' || rest.p[i] == 0x7f)
            return false;
    if (!read_scheme(rest, &u->scheme, &rest))
        return false;
    osp_str query = rest;
    rest = osp_str_cut(&query, '?');
    u->force_query = query.n == 0 && rest.p + rest.n < query.p;
    u->query = query;
    if (!osp_str_starts(rest, S("/"))) {
        u->opaque = u->scheme.n > 0;
        osp_str head = rest;
        head = osp_str_cut(&head, '/');
        return u->opaque || !osp_str_has(head, S(":"));
    }
    if (osp_str_starts(rest, S("//")) && (u->scheme.n || !osp_str_starts(rest, S("///")))) {
        osp_str tail = osp_str_skip(rest, 2);
        osp_str authority = osp_str_cut(&tail, '/');
        rest = osp_str_skip(rest, 2 + authority.n);
        if (!read_authority(authority, u))
            return false;
    }
    u->path = rest;
    return true;
}

/* ---- the query ------------------------------------------------------------------------------------------------- */

typedef struct {
    osp_str key, value;
    size_t place; /* keeps equal keys in order */
} pair;

static int by_key(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    int c = osp_str_cmp(x->key, y->key);
    return c ? c : (x->place > y->place) - (x->place < y->place);
}

/* The pairs of a query in the order of their keys, those that Go refuses left out; room for one more. */
static pair *read_query(osp_arena *a, osp_str query, size_t *n)
{
    size_t most = 2;
    for (size_t i = 0; i < query.n; i++)
        most += query.p[i] == '&';
    pair *all = osp_new(a, pair, most);
    *n = 0;
    while (all && query.n) {
        osp_str value = osp_str_cut(&query, '&');
        bool odd = value.n == 0 || osp_str_has(value, S(";"));
        osp_str key = osp_str_cut(&value, '=');
        key = unescape(a, key, true);
        value = unescape(a, value, true);
        if (!odd && key.p && value.p) {
            all[*n] = (pair){key, value, *n};
            ++*n;
        }
    }
    if (all)
        qsort(all, *n, sizeof *all, by_key);
    return all;
}

/* Put seconds in the place of what is there, or read it from there. */
static void settle_seconds(osp_arena *a, pair *all, size_t *n, int64_t *seconds)
{
    osp_str key = S("seconds");
    size_t i = 0, kept = 0;
    while (i < *n && !osp_str_eq(all[i].key, key))
        i++;
    if (*seconds <= 0) {
        char text[16], *end;
        if (i == *n || all[i].value.n == 0 || all[i].value.n >= sizeof text ||
            isspace((unsigned char)all[i].value.p[0]))
            return;
        long v = strtol(osp_str_z(all[i].value, text, sizeof text), &end, 10);
        if (!*end && v >= INT32_MIN && v <= INT32_MAX)
            *seconds = v;
        return;
    }
    for (i = 0; i < *n; i++)
        if (!osp_str_eq(all[i].key, key))
            all[kept++] = all[i];
    all[kept++] = (pair){key, osp_arena_fmt(a, "%lld", (long long)*seconds), 0};
    qsort(all, kept, sizeof *all, by_key);
    *n = kept;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* As it stands if it is in order, else written anew. */
static void write_part(osp_arena *a, osp_buf *out, osp_str part, const char *in_order, const char *keep)
{
    if (all_of(part, in_order))
        osp_buf_add(out, part);
    else
        escape(out, unescape(a, part, false), keep, false);
}

static void write_user(osp_arena *a, osp_buf *out, osp_str user)
{
    static const char keep[] = "$&+,;=";
    osp_str password = user;
    osp_str name = osp_str_cut(&password, ':');
    escape(out, unescape(a, name, false), keep, false);
    if (name.n < user.n)
        osp_buf_byte(out, ':');
    escape(out, unescape(a, password, false), keep, false);
    osp_buf_byte(out, '@');
}

static void write_url(osp_arena *a, osp_buf *out, const url *u, const pair *query, size_t n)
{
    for (size_t i = 0; i < u->scheme.n; i++)
        osp_buf_byte(out, (uint8_t)tolower((unsigned char)u->scheme.p[i]));
    osp_buf_add(out, u->scheme.n ? S("://") : S("//"));
    if (u->user.p)
        write_user(a, out, u->user);
    escape(out, unescape(a, u->host, false), "!$&'()*+,;=:[]<>\"", false);
    write_part(a, out, u->path, "!$&'()*+,;=:@[]/%", "$&+,/:;=@");
    if (n || u->force_query)
        osp_buf_byte(out, '?');
    for (size_t i = 0; i < n; i++) {
        osp_buf_add(out, i ? S("&") : S(""));
        escape(out, query[i].key, "", true);
        osp_buf_byte(out, '=');
        escape(out, query[i].value, "", true);
    }
    if (u->fragment.n) {
        osp_buf_byte(out, '#');
        write_part(a, out, u->fragment, "!$&'()*+,;=:@[]/?%", "!$&()*+,;=:@/?");
    }
}

static bool broken(osp_arena *a, osp_str escaped) { return !unescape(a, escaped, false).p; }

bool osp_source_url(const char *source, int64_t seconds, int64_t timeout, osp_buf *out, int64_t *wait_s)
{
    osp_buf longer = osp_buf_of(LONGEST_URL);
    osp_arena a;
    osp_arena_init(&a, 64 * LONGEST_URL);
    url u;
    if (!read_url(osp_str_from(source), &u) ||
        (u.host.n == 0 && u.scheme.n && !(u.scheme.n == 4 && strncasecmp(u.scheme.p, "file", 4) == 0))) {
        osp_buf_fmt(&longer, "http://%s", source);
        if (longer.failed || !read_url(osp_buf_str(&longer), &u))
            u = (url){0};
    }
    bool is_url =
        u.host.n && !broken(&a, u.path) && !broken(&a, u.fragment) && !broken(&a, u.user) && !broken(&a, u.host);
    if (is_url) {
        size_t n = 0;
        if (u.path.n == 0 || osp_str_eq(u.path, S("/")))
            u.path = S("/debug/pprof/profile");
        pair *query = read_query(&a, u.query, &n);
        if (query)
            settle_seconds(&a, query, &n, &seconds);
        write_url(&a, out, &u, query, n);
        *wait_s = timeout > 0 ? timeout : seconds > 0 ? seconds + seconds / 2 : 60;
    }
    osp_arena_drop(&a);
    osp_buf_drop(&longer);
    return is_url;
}

/* ---- servers that name addresses ------------------------------------------------------------------------------- */

/* The path without its last segment, "." and "..", and with last in that place; like Go's path.Clean(path/../last). */
static void write_sibling(osp_buf *out, osp_str path, const char *last)
{
    osp_str segment[256];
    size_t n = 0;
    while (path.n && n < sizeof segment / sizeof *segment) {
        osp_str s = osp_str_cut(&path, '/');
        if (osp_str_eq(s, S("..")))
            n -= n > 0;
        else if (s.n && !osp_str_eq(s, S(".")))
            segment[n++] = s;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        osp_buf_byte(out, '/');
        osp_buf_add(out, segment[i]);
    }
    osp_buf_fmt(out, "/%s", last);
}

/* Do Go's or gperftools' handlers serve this path? They have the names beside it as "symbol". */
static bool has_symbol_beside(osp_str path)
{
    static const char *const gperftools[] = {"/pprof/heap", "/pprof/growth", "/pprof/profile", "/pprof/pmuprofile",
                                             "/pprof/contention"};
    bool known = osp_str_has(path, S("/debug/pprof/"));
    for (size_t i = 0; i < sizeof gperftools / sizeof *gperftools; i++)
        known = known || osp_str_ends(path, osp_str_from(gperftools[i]));
    return known;
}

bool osp_symbol_url(osp_str profile_url, osp_buf *out)
{
    url u;
    if (!read_url(profile_url, &u) || u.host.n == 0)
        return false;
    osp_buf_fmt(out, "%.*s://%.*s%s%.*s", STRF(u.scheme), STRF(u.user), u.user.p ? "@" : "", STRF(u.host));
    write_sibling(out, u.path, has_symbol_beside(u.path) ? "symbol" : "symbolz");
    return !out->failed;
}

bool osp_is_absolute_url(osp_str s)
{
    url u;
    return read_url(s, &u) && u.scheme.n > 0;
}
