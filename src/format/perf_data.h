/* SPDX-License-Identifier: Apache-2.0 */
/* format/perf_data.h: the parts of the reader of perf.data.
 *
 *     perf_file    header, attributes, features; records, unpacked and in the order of time
 *     perf_space   processes, threads, what is mapped where; addresses to locations with names
 *     perf_data    samples to a profile: call chains, copied stacks */
#ifndef OSP_FORMAT_PERF_DATA_H
#define OSP_FORMAT_PERF_DATA_H

#include "base/cur.h"
#include "format/names.h"
#include "object/object.h"
#include "target/target.h"

/* ---- perf_file.c ---------------------------------------------------------------------------------------------- */

/* An event: struct perf_event_attr, as far as it tells how to read samples. */
typedef struct {
    uint32_t type;
    uint64_t config, period, sample_type, read_format, branch_sample_type, regs_user;
    bool freq, sample_id_all;
    osp_str name; /* "" = not told */
} osp_perf_attr;

typedef struct {
    uint64_t id;
    uint32_t attr;
} osp_perf_id;

enum { OSP_PERF_BUILD_ID_MAX = 20 };

typedef struct {
    osp_str file;
    uint8_t id[OSP_PERF_BUILD_ID_MAX];
    uint32_t n; /* bytes of id */
} osp_perf_build_id;

/* A record: what follows its header. */
typedef struct {
    uint32_t type;
    uint16_t misc;
    osp_span body;
    uint64_t time_ns; /* 0 = not told */
} osp_perf_record;

typedef struct osp_perf_queue osp_perf_queue;

typedef struct osp_perf_file {
    osp_span in;
    osp_arena arena;
    osp_perf_attr *attr;
    uint32_t nattr;
    osp_perf_id *id; /* sorted by id once records are read */
    size_t nid;
    osp_perf_build_id *build_id;
    size_t nbuild_id;
    size_t attr_cap, id_cap, build_id_cap;
    osp_str hostname, os_release, arch, cpu, cmdline;
    unsigned sorts;              /* of ids */
    bool ids_sorted, piped, cut; /* cut: the file ends in the middle of a record */
    osp_span data;
    uint64_t data_offset; /* where data stands in the file */
    osp_err *err;
} osp_perf_file;

bool osp_perf_file_open(osp_perf_file *f, osp_span in, osp_err *err) OSP_CHECKED;
void osp_perf_file_close(osp_perf_file *f);

/* Give every kernel record (MMAP, COMM, SAMPLE …) to take(), in the order of time. False: take() did, or the file is broken
 * or too large. */
typedef bool osp_perf_take(void *ctx, const osp_perf_record *r, osp_err *err);
bool osp_perf_records(osp_perf_file *f, osp_perf_take *take, void *ctx, osp_err *err) OSP_CHECKED;

/* The attribute that a sample belongs to. */
const osp_perf_attr *osp_perf_attr_of(osp_perf_file *f, osp_span sample);

/* The event's name: what the file says, else by type and number. In the arena. */
osp_str osp_perf_event_name(osp_perf_file *f, const osp_perf_attr *a);

/* ---- perf_space.c --------------------------------------------------------------------------------------------- */

typedef struct osp_perf_space osp_perf_space;

/* Lives as long as the file; adds locations to the names' builder. */
osp_perf_space *osp_perf_space_new(osp_perf_file *f, osp_names *names, osp_err *err);
void osp_perf_space_drop(osp_perf_space *s);

/* Take in what is no sample: MMAP, MMAP2, COMM, FORK, EXIT. */
bool osp_perf_space_take(osp_perf_space *s, const osp_perf_record *r, osp_err *err) OSP_CHECKED;

/* The labels of a thread: its name, pid, tid. */
osp_labelset_id osp_perf_labels(osp_perf_space *s, uint32_t pid, uint32_t tid);

/* A number that changes whenever this process's mappings do. */
uint64_t osp_perf_generation(osp_perf_space *s, uint32_t pid);

/* Push the locations of n addresses, leaf first, of which the first nkernel are the kernel's, the others that process's. */
void osp_perf_push(osp_perf_space *s, uint32_t pid, const uint64_t *addr, size_t n, size_t nkernel);

/* Make what lies lowest in the process the profile's first mapping: its program, for programs lie below their libraries.
 * False if nothing is mapped there yet. */
bool osp_perf_main_binary(osp_perf_space *s, uint32_t pid);

/* Unwind a copied stack; returns how many pcs were written, at most max: leaf first, return addresses less 1. */
size_t osp_perf_unwind(osp_perf_space *s, uint32_t pid, const osp_unwind_regs *regs, osp_span stack, uint64_t *pc,
                       size_t max, bool *complete);

/* How many files with code were sampled, and how many of them are not here as they were. */
void osp_perf_missing(const osp_perf_space *s, uint32_t *files, uint32_t *missing, osp_str *first);

#endif
