/* SPDX-License-Identifier: Apache-2.0 */
/* source/source.h: where profiles come from: files, pipes, URLs; several of them, merged; less a base; with names for
 * their addresses. What pprof does between its command line and its first report, in its order and with its words. */
#ifndef OSP_SOURCE_H
#define OSP_SOURCE_H

#include "model/model.h"
#include "object/object.h"

/* A line for the user (stderr), without its line end; it may hold line ends of its own. One call at a time. */
typedef void osp_say(void *ctx, osp_str line);

/* pprof's words about sources; NULL and 0 mean "not said". The strings are borrowed. */
typedef struct osp_source_opts {
    const char *const *source; /* paths, "-", URLs, host:port */
    size_t nsource;
    const char *const *base; /* to be subtracted */
    size_t nbase;
    bool diff_base;           /* the base by -diff_base: percentages will be of it */
    bool normalize;           /* scale the sources to the base's total first */
    bool all_frames;          /* ignore drop_frames and keep_frames */
    int64_t seconds, timeout; /* of a fetch; <= 0: not said */
    const char *binary;       /* named before the sources: the file of the first mapping */
    const char *build_id;     /* for the first mapping, if it has none */
    const char *comment;      /* to be added to the profile */
    const char *symbolize;    /* "local:demangle=full" … */
    const char *tools;        /* accepted and not needed: no tool is called */
    const char *tls_cert, *tls_key, *tls_ca;
    osp_say *say; /* chatter; NULL = none is wanted */
    void *say_ctx;
    bool
        strict; /* not pprof's ways: a source that fails is the error, and what names are missing is not remarked on */
} osp_source_opts;

/* What was fetched, and all that it stands on. */
typedef struct osp_source osp_source;

/* Fetch, merge, subtract, symbolise, and save what came from elsewhere. NULL and *err on failure; what is wrong with
 * one of several sources is only said. Nothing of opts is kept. */
osp_source *osp_source_open(const osp_source_opts *opts, osp_err *err);
void osp_source_close(osp_source *s);

/* The profile, which lives as long as s. */
const osp_profile *osp_source_profile(const osp_source *s);

/* Set what a query needs to know of opts: how names are made readable, whether frames are dropped. */
void osp_source_prepare(const osp_source *s, osp_query *q);

/* The object file behind a mapping of the profile, found as pprof finds it; opened at the first ask, lives as long as s.
 * NULL and *err if there is none. */
osp_object *osp_source_object(osp_source *s, osp_mapping_id mapping, osp_err *err);

/* Is this file an object file (ELF, Mach-O, PE), by its first bytes? Before sources it names the binary. */
bool osp_is_object_file(const char *path);

#endif
