/* SPDX-License-Identifier: Apache-2.0 */
/* net.c: libcurl by dlopen. Proxies are chosen as Go's programs choose them: HTTP_PROXY, HTTPS_PROXY and NO_PROXY in
 * either case, but never for this machine's own addresses, and no HTTP_PROXY under CGI, where a client can set it. */
#include "net/net.h"

#include "base/file.h"

#include <ctype.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
    MOST_REDIRECTS = 10,
    MOST_HEADER_BYTES = 1 << 18,
    CONNECT_MS = 30000,
    ZEROS_ARE_ENOUGH = 1 << 16,
};

/* Debian's and everybody's library, and the flavour that some systems have instead. One ABI. */
static const char *const library[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

struct osp_net {
    void *handle;
    CURLcode (*global_init)(long);
    void (*global_cleanup)(void);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_perform)(CURL *);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    const char *(*easy_strerror)(CURLcode);
};

static bool bind_all(osp_net *n)
{
    const struct {
        const char *name;
        void *at;
    } want[] = {
        {"curl_global_init", &n->global_init},   {"curl_global_cleanup", &n->global_cleanup},
        {"curl_easy_init", &n->easy_init},       {"curl_easy_cleanup", &n->easy_cleanup},
        {"curl_easy_setopt", &n->easy_setopt},   {"curl_easy_perform", &n->easy_perform},
        {"curl_easy_getinfo", &n->easy_getinfo}, {"curl_easy_strerror", &n->easy_strerror},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        void *f = dlsym(n->handle, want[i].name);
        if (!f)
            return false;
        memcpy(want[i].at, &f, sizeof f);
    }
    return true;
}

osp_net *osp_net_open(osp_err *err)
{
    osp_net *n = calloc(1, sizeof *n);
    if (!n) {
        osp_fail_memory(err, "loading libcurl");
        return NULL;
    }
    for (size_t i = 0; !n->handle && i < sizeof library / sizeof *library; i++)
        n->handle = dlopen(library[i], RTLD_NOW | RTLD_LOCAL);
    if (n->handle && bind_all(n) && n->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return n;
    if (n->handle)
        dlclose(n->handle);
    free(n);
    osp_fail(err, OSP_EABSENT,
             "profiles from URLs need libcurl.so.4, which is not here (Debian, Ubuntu: apt install libcurl4)");
    return NULL;
}

void osp_net_close(osp_net *n)
{
    if (!n)
        return;
    n->global_cleanup();
    dlclose(n->handle);
    free(n);
}

/* ---- one answer ------------------------------------------------------------------------------------------------ */

typedef struct {
    const osp_net *net;
    CURL *curl;
    const osp_http_ask *ask;
    osp_http_answer *out;
    size_t header_bytes;
    enum { FINE, BODY_TOO_LARGE, HEADERS_TOO_LARGE, NOTHING_BUT_ZEROS } gave_up;
    char why[CURL_ERROR_SIZE];
} call;

static bool only_zeros(osp_str s) { return s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0; }

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    call *c = ctx;
    osp_buf *body = &c->out->body;
    bool was_short = body->n < ZEROS_ARE_ENOUGH;
    osp_buf_add(body, (osp_str){data, size * count});
    if (body->failed)
        c->gave_up = BODY_TOO_LARGE;
    else if (c->ask->zeros_are_nothing && was_short && body->n >= ZEROS_ARE_ENOUGH &&
             only_zeros((osp_str){body->p, ZEROS_ARE_ENOUGH}))
        c->gave_up = NOTHING_BUT_ZEROS;
    return c->gave_up == FINE ? size * count : 0;
}

/* "NAME: value" if line is that header. */
static bool header_is(osp_str line, osp_str name, osp_str *value)
{
    if (line.n <= name.n || line.p[name.n] != ':' || strncasecmp(line.p, name.p, name.n) != 0)
        return false;
    *value = osp_str_trim(osp_str_skip(line, name.n + 1));
    return true;
}

static size_t take_header(char *data, size_t size, size_t count, void *ctx)
{
    call *c = ctx;
    osp_str line = osp_str_trim((osp_str){data, size * count}), value;
    c->header_bytes += size * count;
    if (c->header_bytes > MOST_HEADER_BYTES) {
        c->gave_up = HEADERS_TOO_LARGE;
        return 0;
    }
    if (osp_str_starts(line, S("HTTP/"))) { /* the answer after a redirect, or after "100 Continue", is another one */
        osp_str_cut(&line, ' ');
        osp_str_z(osp_str_trim(line), c->out->status_line, sizeof c->out->status_line);
        c->out->content_type[0] = 0;
        c->out->go_pprof = false;
    } else if (header_is(line, S("Content-Type"), &value)) {
        osp_str_z(value, c->out->content_type, sizeof c->out->content_type);
    } else if (header_is(line, S("X-Go-Pprof"), &value)) {
        c->out->go_pprof = value.n > 0;
    }
    return size * count;
}

/* ---- proxies --------------------------------------------------------------------------------------------------- */

static const char *either(const char *upper, const char *lower)
{
    const char *v = getenv(upper);
    return v && *v ? v : getenv(lower);
}

/* The host of a URL, without its user, port and brackets. */
static osp_str host_of(osp_str url)
{
    size_t at = osp_str_find(url, S("://"));
    osp_str host = osp_str_skip(url, at < url.n ? at + 3 : 0);
    size_t end = 0;
    while (end < host.n && !strchr("/?#", host.p[end]))
        end++;
    host = osp_str_head(host, end);
    size_t user = osp_str_rfind(host, '@');
    if (user < host.n)
        host = osp_str_skip(host, user + 1);
    if (host.n && host.p[0] == '[') {
        host = osp_str_skip(host, 1);
        return osp_str_cut(&host, ']');
    }
    return osp_str_cut(&host, ':');
}

static bool is_here(osp_str host)
{
    return osp_str_eq(host, S("localhost")) || osp_str_starts(host, S("127.")) || osp_str_eq(host, S("::1"));
}

static const char *proxy_for(osp_str url)
{
    if (is_here(host_of(url)))
        return "";
    if (osp_str_starts(url, S("https:")))
        return either("HTTPS_PROXY", "https_proxy");
    if (getenv("REQUEST_METHOD"))
        return getenv("http_proxy");
    return either("HTTP_PROXY", "http_proxy");
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

#define SET(c, option, value) ((c)->net->easy_setopt((c)->curl, CURLOPT_##option, (value)))

/* Nothing but the web: no file:, no gopher:. By name, and by number where libcurl is older than the names. */
static bool only_the_web(const call *c)
{
    const long web = CURLPROTO_HTTP | CURLPROTO_HTTPS;
#if LIBCURL_VERSION_NUM >= 0x075500
    if (SET(c, PROTOCOLS_STR, "http,https") == CURLE_OK && SET(c, REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK)
        return true;
#endif
    return c->net->easy_setopt(c->curl, (CURLoption)(CURLOPTTYPE_LONG + 181), web) == CURLE_OK &&
           c->net->easy_setopt(c->curl, (CURLoption)(CURLOPTTYPE_LONG + 182), web) == CURLE_OK;
}

static bool use_certificates(const call *c, osp_err *err)
{
    const osp_http_ask *a = c->ask;
    const char *cert = a->tls_cert && *a->tls_cert ? a->tls_cert : NULL;
    const char *key = a->tls_key && *a->tls_key ? a->tls_key : NULL;
    if (!cert != !key)
        return osp_fail(err, OSP_EUSAGE, "-tls_%s is specified, so -tls_%s must also be specified",
                        cert ? "cert" : "key", cert ? "key" : "cert");
    const char *const file[] = {cert, key, a->tls_ca && *a->tls_ca ? a->tls_ca : NULL};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++)
        if (file[i] && access(file[i], R_OK) != 0)
            return osp_fail(err, OSP_EABSENT, "could not load %s specified by -tls_%s: %s cannot be read",
                            i == 2 ? "CA" : "certificate/key pair",
                            i == 0   ? "cert and -tls_key"
                            : i == 1 ? "key"
                                     : "ca",
                            file[i]);
    if (cert) {
        SET(c, SSLCERT, cert);
        SET(c, SSLKEY, key);
    }
    if (file[2])
        SET(c, CAINFO, file[2]);
    return true;
}

static bool prepare(const call *c, const char *url, bool insecure, osp_err *err)
{
    const osp_http_ask *a = c->ask;
    const char *without = either("NO_PROXY", "no_proxy"), *proxy = proxy_for(osp_str_from(url));
    if (SET(c, URL, url) != CURLE_OK || !only_the_web(c))
        return osp_fail(err, OSP_EUSAGE, "libcurl does not take the URL");
    SET(c, NOSIGNAL, 1L);
    SET(c, ERRORBUFFER, c->why);
    SET(c, USERAGENT, "osprey");
    SET(c, HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(c, FOLLOWLOCATION, 1L);
    SET(c, MAXREDIRS, (long)MOST_REDIRECTS);
    SET(c, ACCEPT_ENCODING, "gzip");
    SET(c, CONNECTTIMEOUT_MS, a->timeout_ms < CONNECT_MS ? (long)a->timeout_ms : (long)CONNECT_MS);
    SET(c, TIMEOUT_MS, (long)a->timeout_ms);
    SET(c, PROXY, proxy ? proxy : "");
    SET(c, NOPROXY, without ? without : "");
    SET(c, SSL_VERIFYPEER, insecure ? 0L : 1L);
    SET(c, SSL_VERIFYHOST, insecure ? 0L : 2L);
    SET(c, WRITEFUNCTION, take_body);
    SET(c, WRITEDATA, c);
    SET(c, HEADERFUNCTION, take_header);
    SET(c, HEADERDATA, c);
    if (a->post) {
        SET(c, POST, 1L);
        SET(c, POSTFIELDSIZE_LARGE, (curl_off_t)a->post->n);
        SET(c, POSTFIELDS, a->post->n ? a->post->p : "");
    }
    return use_certificates(c, err);
}

static bool explain(const call *c, CURLcode code, osp_err *err)
{
    long os_errno = 0;
    switch (c->gave_up) {
    case BODY_TOO_LARGE:
        return osp_fail(err, OSP_ELIMIT, "the answer is larger than the limit of %zu bytes", c->ask->limit);
    case HEADERS_TOO_LARGE:
        return osp_fail(err, OSP_ELIMIT, "the answer has more than %d bytes of headers", MOST_HEADER_BYTES);
    case NOTHING_BUT_ZEROS:
        return osp_fail(err, OSP_EFORMAT, "unrecognized profile format: the answer is nothing but zeros");
    case FINE:
        break;
    }
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        c->net->easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os_errno);
        if (os_errno)
            return osp_fail_errno(err, (int)os_errno, "cannot connect");
        break;
    case CURLE_OPERATION_TIMEDOUT:
        return osp_fail(err, OSP_ELIMIT, "no complete answer within %.3g s (-timeout)",
                        (double)c->ask->timeout_ms / 1000);
    case CURLE_TOO_MANY_REDIRECTS:
        return osp_fail(err, OSP_ELIMIT, "stopped after %d redirects", MOST_REDIRECTS);
    case CURLE_UNSUPPORTED_PROTOCOL:
        return osp_fail(err, OSP_EUSAGE, "only http and https are spoken: %s", c->why);
    case CURLE_OUT_OF_MEMORY:
        return osp_fail_memory(err, "fetching");
    case CURLE_PEER_FAILED_VERIFICATION:
        return osp_fail(err, OSP_EIO, "%s (-tls_ca names an authority; https+insecure:// asks for none)", c->why);
    default:
        break;
    }
    return osp_fail(err, OSP_EIO, "%s", c->why[0] ? c->why : c->net->easy_strerror(code));
}

static bool is_web(osp_str url, osp_err *err)
{
    osp_str rest = url, scheme = osp_str_cut(&rest, ':');
    return osp_str_eq(scheme, S("http")) || osp_str_eq(scheme, S("https")) ||
           osp_str_eq(scheme, S("https+insecure")) ||
           osp_fail(err, OSP_EUSAGE, "unsupported protocol scheme \"%.*s\"", STRF(osp_str_head(scheme, 40)));
}

bool osp_http(const osp_net *n, const osp_http_ask *ask, osp_http_answer *out, osp_err *err)
{
    static const osp_str lax = {"https+insecure:", 15};
    if (!is_web(osp_str_from(ask->url), err)) {
        *out = (osp_http_answer){.status = 0};
        return false;
    }
    bool insecure = osp_str_starts(osp_str_from(ask->url), lax);
    osp_buf url = osp_buf_of(1 << 16);
    *out = (osp_http_answer){.body = osp_buf_of(ask->limit)};
    osp_buf_fmt(&url, "%s%s", insecure ? "https:" : "", ask->url + (insecure ? lax.n : 0));
    osp_buf_byte(&url, 0);
    call c = {.net = n, .curl = n->easy_init(), .ask = ask, .out = out};
    bool ok = !url.failed || osp_fail(err, OSP_EUSAGE, "the URL is longer than 64 KiB");
    ok = ok && (c.curl || osp_fail_memory(err, "fetching")) && prepare(&c, url.p, insecure, err);
    if (ok) {
        long status = 0;
        CURLcode code = n->easy_perform(c.curl);
        n->easy_getinfo(c.curl, CURLINFO_RESPONSE_CODE, &status);
        out->status = (int)status;
        ok = code == CURLE_OK || explain(&c, code, err);
    }
    if (c.curl)
        n->easy_cleanup(c.curl);
    if (!ok)
        osp_buf_drop(&out->body);
    osp_buf_drop(&url);
    return ok;
}
