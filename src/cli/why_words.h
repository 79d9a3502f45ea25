/* SPDX-License-Identifier: Apache-2.0 */
/* cli/why_words.h: what the screen and the page of `osprey why` say alike. Texts are in the arena. */
#ifndef OSP_WHY_WORDS_H
#define OSP_WHY_WORDS_H

#include "diagnose/diagnose.h"

/* A number with its unit, as a person writes it. */
osp_str osp_evidence_value(osp_arena *a, const osp_evidence *e);
/* What rules asked and did not find, each topic once: "clock reads · locks". */
osp_str osp_ruled_out(const osp_facts *f, const osp_findings *found);
/* How many samples, how many of them whole and named. */
osp_str osp_completeness(const osp_facts *f);

/* What is drawn over time. */
double osp_rss_mb(const osp_moment *m);
double osp_goroutines_at(const osp_moment *m);
double osp_threads_at(const osp_moment *m);
double osp_fds_at(const osp_moment *m);

#endif
