/* SPDX-License-Identifier: Apache-2.0 */
/* osprey goroutines: all goroutines of a running process by their stacks, without stopping it. */
#include "cli/goroutines_screen.h"

static const size_t ARENA_LIMIT = (size_t)1 << 30;

static const osp_option options[] = {
    {"system", 's', NULL, "the runtime's own goroutines too"},
    {0},
};

static bool show(const osp_cli *cli, const osp_image *image, osp_objects *objects, osp_arena *a, osp_buf *out,
                 osp_err *err)
{
    osp_goroutine_list list;
    osp_goroutine_groups groups;
    const osp_goroutine_query q = {.system = osp_cli_given(cli, "system")};
    osp_inspect *in = osp_inspect_open(image, objects, err);
    if (!in)
        return false;
    bool ok = osp_inspect_goroutines(in, &list, err);
    if (ok) {
        ok = osp_inspect_groups(in, &list, &q, a, &groups, err);
        if (ok)
            osp_goroutines_table(cli, in, &list, &groups, out);
        osp_goroutine_list_drop(&list);
    }
    osp_inspect_close(in);
    return ok && (!out->failed || osp_fail_memory(err, "printing goroutines"));
}

static int cmd_goroutines(const osp_cli *cli)
{
    int pid, status;
    if (!osp_cli_pid(cli, &pid, &status))
        return status;
    osp_arena a;
    osp_image image;
    osp_err err;
    osp_arena_init(&a, ARENA_LIMIT);
    osp_buf out = osp_buf_of(ARENA_LIMIT);
    osp_objects *objects = osp_objects_new(&(osp_object_opts){0});
    osp_process *p = osp_process_open(pid, &err);
    bool ok = p && (objects || osp_fail_memory(&err, "reading goroutines")) &&
              osp_process_image(p, &a, &image, &err) && show(cli, &image, objects, &a, &out, &err);
    status = !ok ? osp_cli_fail(&err) : osp_cli_print(osp_buf_str(&out)) ? OSP_EXIT_DONE : OSP_EXIT_FAILED;
    osp_buf_drop(&out);
    osp_objects_drop(objects);
    osp_process_close(p);
    osp_arena_drop(&a);
    return status;
}

const osp_command osp_command_goroutines = {
    .name = "goroutines",
    .args = "PID",
    .summary = "all goroutines by their stacks, without stopping the process",
    .examples = (const char *const[]){"goroutines 4711", "goroutines 4711 --system", NULL},
    .options = options,
    .run = cmd_goroutines,
};
