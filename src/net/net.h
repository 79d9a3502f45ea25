/* SPDX-License-Identifier: Apache-2.0 */
/* net/net.h: HTTP out, through libcurl, which is loaded when the first URL is asked for: without it osprey does all but
 * that. Only http and https are spoken, at most ten redirects are followed, and time and size have limits. */
#ifndef OSP_NET_H
#define OSP_NET_H

#include "base/buf.h"
#include "base/err.h"

/* A loaded libcurl. Any number of threads may ask through it at a time. */
typedef struct osp_net osp_net;

/* EABSENT and the name of the package if there is no libcurl. Not to be called by two threads at a time. */
osp_net *osp_net_open(osp_err *err);
void osp_net_close(osp_net *n);

typedef struct {
    const char *url;        /* http://, https://, or https+insecure:// = whatever its certificate says */
    const osp_str *post;    /* a body to POST; NULL = GET */
    int64_t timeout_ms;     /* for all of it */
    size_t limit;           /* the answer's body, bytes */
    bool zeros_are_nothing; /* give up on a body that begins with 64 KiB of zeros */
    const char *tls_cert, *tls_key, *tls_ca; /* files; NULL = none, and the system's authorities */
} osp_http_ask;

typedef struct {
    int status;           /* 200 */
    char status_line[96]; /* "404 Not Found" */
    char content_type[96];
    bool go_pprof; /* has a header X-Go-Pprof */
    osp_buf body;  /* malloc'ed: the caller's, also if the status is not 200 */
} osp_http_answer;

/* Ask, and wait for the whole answer. False and *err (without the URL) if there is none; the body is empty then. */
bool osp_http(const osp_net *n, const osp_http_ask *ask, osp_http_answer *out, osp_err *err) OSP_CHECKED;

#endif
