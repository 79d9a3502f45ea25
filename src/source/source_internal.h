/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OSP_SOURCE_INTERNAL_H
#define OSP_SOURCE_INTERNAL_H

#include "base/hash.h"
#include "net/net.h"
#include "source/source.h"

/* Say a line to the user, if somebody listens. */
void osp_tell(const osp_source_opts *o, const char *fmt, ...) OSP_PRINTF(2, 3);

/* ---- url.c ------------------------------------------------------------------------------------------------------ */

/* Is it the URL of a profile? Then *out gets the one to fetch: a host alone means its CPU profile, and seconds stand in
 * the query, those asked for (> 0) or those that stand there. *wait_s: how long to wait for the answer. */
bool osp_source_url(const char *source, int64_t seconds, int64_t timeout, osp_buf *out, int64_t *wait_s);

/* The URL under which the server of this profile names addresses; false if it is no URL. */
bool osp_symbol_url(osp_str profile_url, osp_buf *out);

/* Is it a URL with a scheme, as a mapping's file may be? */
bool osp_is_absolute_url(osp_str s);

/* ---- fetch.c ---------------------------------------------------------------------------------------------------- */

/* One profile on its way. */
typedef struct {
    const char *name; /* as the user wrote it */
    osp_buf url;      /* empty: a file */
    int64_t wait_s;
    osp_profile *profile; /* NULL after a failure */
    osp_buf why;          /* the failure */
    osp_buf note;         /* what its reader wants to have said */
} osp_fetch;

/* Find out what each source is and fetch them all, at once. *net is loaded if there is a URL. False if nothing could be
 * begun; what happened to each source stands in it. */
bool osp_fetch_all(const osp_source_opts *o, osp_fetch *f, size_t n, osp_net **net, osp_err *err);

/* ---- locate.c --------------------------------------------------------------------------------------------------- */

/* p with mappings whose files are where they are on this machine, and those that have none named by url. */
osp_profile *osp_locate_binaries(const osp_source_opts *o, osp_objects *objects, const osp_profile *p, osp_str url,
                                 osp_err *err);

/* The object in a file; NULL and *err if it is none. */
osp_object *osp_open_object(osp_objects *objects, const char *path, osp_err *err);

/* Its GNU build id, or "". */
osp_str osp_gnu_build_id(const osp_object *o);

/* ---- symbolise.c ------------------------------------------------------------------------------------------------ */

/* What -symbolize says. */
typedef struct {
    bool none, local, remote, fast, force;
    enum { OSP_NAMES_BRIEF, OSP_NAMES_TEMPLATES, OSP_NAMES_FULL, OSP_NAMES_MANGLED } names;
} osp_symbol_mode;
osp_symbol_mode osp_read_symbol_mode(const osp_source_opts *o);

/* Where a mapping of a fetched profile can be asked about. */
typedef struct {
    osp_str key; /* the mapping's build id, else its file, else url */
    osp_str url;
    uint64_t start;
} osp_mapping_source;

typedef struct {
    const osp_source_opts *opts;
    osp_symbol_mode mode;
    osp_objects *objects;
    const osp_net *net;
    const osp_mapping_source *source;
    size_t nsource;
} osp_symbolising;

/* p with names from local files; *out = NULL if nothing was to be named. */
bool osp_symbolise_local(const osp_symbolising *s, const osp_profile *p, osp_profile **out, osp_err *err) OSP_CHECKED;
/* ---- remote.c --------------------------------------------------------------------------------------------------- */

/* The same for one mapping, from the server that it came from; *served: there is one, and it was to be asked. */
bool osp_symbolise_remote(const osp_symbolising *s, const osp_profile *p, uint32_t mapping, bool *served,
                          osp_profile **out, osp_err *err) OSP_CHECKED;

/* Names that a server gave. To be dropped also after a failure. */
typedef struct {
    osp_intern addrs; /* 8 bytes each: an address of the profile */
    osp_str *name;    /* by id; views into the answer */
    osp_arena arena;
} osp_server_names;

/* Read a server's answer, whose addresses are off by `offset` from those of the profile. */
bool osp_read_server_names(osp_str text, int64_t offset, osp_server_names *out, osp_err *err) OSP_CHECKED;
void osp_server_names_drop(osp_server_names *a);

/* ---- save.c ----------------------------------------------------------------------------------------------------- */

/* Keep a copy of what came from elsewhere, and say where. */
bool osp_save_profile(const osp_source_opts *o, const osp_profile *p, const osp_query *names, osp_err *err);

#endif
