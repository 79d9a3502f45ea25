/* SPDX-License-Identifier: Apache-2.0 */
/* Code that was compiled while its program ran: whose it is, and what the compiler says of it. */
#include "sample/sample_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 4096 };

/* The file jit-PID.dump that the process has mapped so that it can be found. */
static void find_dump(const osp_subject *of, char *out, size_t size)
{
    for (uint32_t i = 0; i < of->space.n; i++) {
        osp_str name = osp_str_base(of->space.map[i].path);
        if (osp_str_starts(name, S("jit-")) && osp_str_ends(name, S(".dump")) && of->space.map[i].path.n < size)
            osp_str_z(of->space.map[i].path, out, size);
    }
}

void osp_compiled_note(osp_compiled *c, uint32_t mapping, const osp_subject *of)
{
    void *array = c->row;
    if (c->n == MOST || !osp_grow(&array, &c->cap, c->n + 1, sizeof *c->row))
        return; /* its code stays without names */
    c->row = array;
    struct osp_compiled_at *at = &c->row[c->n++];
    *at = (struct osp_compiled_at){.mapping = mapping, .owner = geteuid(), .pid = of->pid, .ns_pid = of->pid};
    if (of->info.ns_pid) {
        at->owner = of->info.uid;
        at->ns_pid = of->info.ns_pid;
    }
    find_dump(of, at->dump, sizeof at->dump);
}

/* Where the process sees the path, or if it has ended, where we do. */
static osp_jit *open_at(const struct osp_compiled_at *at, const char *path)
{
    char there[192];
    osp_err absent;
    snprintf(there, sizeof there, "/proc/%d/root%s", at->pid, path);
    osp_jit *j = osp_jit_open(there, at->owner, &absent);
    return j ? j : osp_jit_open(path, at->owner, &absent);
}

static osp_jit *open_of(const struct osp_compiled_at *at)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", at->ns_pid);
    osp_jit *j = open_at(at, path);
    return j || !at->dump[0] ? j : open_at(at, at->dump);
}

osp_jit **osp_compiled_open(osp_compiled *c, size_t n)
{
    osp_jit **jit = c->n ? calloc(n, sizeof(osp_jit *)) : NULL;
    for (size_t i = 0; jit && i < c->n; i++) {
        const struct osp_compiled_at *at = &c->row[i];
        size_t k = 0;
        while (k < i && c->row[k].pid != at->pid)
            k++;
        if (at->mapping < n)
            jit[at->mapping] = k < i ? jit[c->row[k].mapping] : open_of(at);
    }
    c->n = 0;
    return jit;
}

void osp_compiled_close(osp_jit **jit, size_t n)
{
    for (size_t i = 0; jit && i < n; i++) {
        osp_jit *one = jit[i];
        osp_jit_close(one);
        for (size_t k = i; one && k < n; k++) /* one process's mappings share it */
            if (jit[k] == one)
                jit[k] = NULL;
    }
    free(jit);
}

void osp_compiled_drop(osp_compiled *c)
{
    free(c->row);
    *c = (osp_compiled){0};
}
