/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_operand.h"

#include <stdio.h>

static const size_t ARENA_LIMIT = 1 << 30;

/* What is missing from a core is said before anything is shown of it. */
static void warn(const osp_core *core, const char *path)
{
    const osp_core_facts *f = osp_core_facts_of(core);
    if (f->missing_bytes)
        fprintf(stderr, "osprey: %s was cut short: %.1f MB of it are missing, and what was there is not known\n",
                path, (double)f->missing_bytes / 1e6);
    if (f->odd)
        fprintf(stderr, "osprey: %s has %u parts that cannot be as they say; they are left out\n", path, f->odd);
}

/* The file of a core; NULL: a process is meant. */
static const char *core_of(const osp_cli *cli)
{
    uint64_t number;
    bool named = cli->noperand == 1 && !osp_cli_given(cli, "pid");
    return named && !osp_str_u64(osp_str_from(cli->operand[0]), 10, &number) ? cli->operand[0] : NULL;
}

static bool open_it(const char *core, const osp_core_opts *opts, int pid, osp_image_operand *o, osp_err *err)
{
    o->objects = osp_objects_new(NULL);
    if (!o->objects)
        return osp_fail_memory(err, "looking into a program");
    if (core) {
        o->core = osp_core_open(core, opts, err);
        if (!o->core)
            return false;
        o->image = osp_core_image(o->core);
        warn(o->core, core);
    } else {
        o->process = osp_process_open(pid, err);
        if (!o->process || !osp_process_image(o->process, &o->arena, &o->image, err))
            return false;
    }
    o->whose = osp_arena_fmt(&o->arena, "%.*s (%.*s)", STRF(osp_str_base(o->image.exe)), STRF(o->image.name));
    return o->whose.p || osp_fail_memory(err, "looking into a program");
}

bool osp_image_operand_open(const osp_cli *cli, osp_image_operand *out, int *status)
{
    int pid = 0;
    osp_err err;
    const char *core = core_of(cli);
    const osp_core_opts opts = {.root = osp_cli_value(cli, "root"), .exe = osp_cli_value(cli, "exe")};
    *out = (osp_image_operand){0};
    osp_arena_init(&out->arena, ARENA_LIMIT);
    if (!core && (opts.root || opts.exe)) {
        *status = osp_cli_usage(cli, "--root and --exe are for a core: a process has its files itself");
        return false;
    }
    if (!core && !osp_cli_pid(cli, &pid, status))
        return false;
    if (open_it(core, &opts, pid, out, &err))
        return true;
    *status = osp_cli_fail(&err);
    return false;
}

void osp_image_operand_drop(osp_image_operand *o)
{
    osp_objects_drop(o->objects);
    osp_process_close(o->process);
    osp_core_close(o->core);
    osp_arena_drop(&o->arena);
}
