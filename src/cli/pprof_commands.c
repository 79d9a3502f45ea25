/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of pprof: every report by its name and alias, and the viewers whose report this build has. */
#include "cli/pprof_cli.h"

#include <stdlib.h>

enum { MOST = 96 };

static const osp_viewer viewers[] = {
    {"eog", "svg", "svg", "eog", "show the graph in eog"},
    {"evince", "pdf", "pdf", "evince", "show the graph in evince"},
    {"gv", "ps", "ps", "gv --noantialias", "show the graph in gv"},
    {"kcachegrind", "callgrind", "grind", "kcachegrind", "show the profile in KCachegrind"},
    {"web", "svg", "svg", NULL, "show the graph in a browser"},
    {"weblist", "weblist", "html", NULL, NULL},
};

static osp_pprof_command commands[MOST + 1]; /* filled at the first ask */
static size_t ncommand;

static void add(const char *name, const char *summary, const osp_report *report, const osp_viewer *viewer)
{
    for (size_t i = 0; i < ncommand; i++)
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].viewer = viewer;
            return;
        }
    if (ncommand < MOST)
        commands[ncommand++] = (osp_pprof_command){name, summary, report, viewer};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const osp_pprof_command *)a)->name, ((const osp_pprof_command *)b)->name);
}

const osp_pprof_command *osp_pprof_commands(void)
{
    if (ncommand)
        return commands;
    for (const osp_report *const *r = osp_reports; *r; r++) {
        add((*r)->name, (*r)->summary, *r, NULL);
        if ((*r)->alias)
            add((*r)->alias, (*r)->summary, *r, NULL);
    }
    for (size_t i = 0; i < sizeof viewers / sizeof *viewers; i++) {
        const osp_report *shown = osp_report_named(osp_str_from(viewers[i].report));
        if (shown)
            add(viewers[i].name, viewers[i].summary ? viewers[i].summary : shown->summary, shown, &viewers[i]);
    }
    qsort(commands, ncommand, sizeof *commands, by_name);
    return commands;
}

const osp_pprof_command *osp_pprof_command_named(osp_str name)
{
    for (const osp_pprof_command *c = osp_pprof_commands(); c->name; c++)
        if (osp_str_eq(name, osp_str_from(c->name)))
            return c;
    return NULL;
}
