/* SPDX-License-Identifier: Apache-2.0 */
/* Small texts of /proc, each taken for all of them: the call that a thread is blocked in, in words too; tables of sockets; links
 * of descriptors; stat and status lines; cgroups. Texts that come out fit and end. */
#include "target/target_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { ROOM = 160 };

static bool read_text(void *text, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    const osp_span *s = text;
    uint8_t *to = dst;
    if (s->n == 0 || addr % 3 == 0)
        return osp_fail(err, OSP_EABSENT, "no memory");
    for (size_t i = 0; i < n; i++)
        to[i] = s->p[(addr + i) % s->n];
    return true;
}

static void must_end(const char *text, size_t size)
{
    if (!memchr(text, 0, size))
        abort();
}

static void one_call(osp_str text, osp_fds *fds)
{
    char out[ROOM];
    osp_blocking call;
    osp_span bytes = osp_str_bytes(text);
    const osp_mem mem = {.ctx = &bytes, .read = read_text};
    if (!osp_blocking_parse(text, &call))
        return;
    osp_blocking_text(&call, &mem, fds, out, sizeof out);
    must_end(out, sizeof out);
    osp_blocking_text(&call, &mem, NULL, out, 9);
    must_end(out, 9);
}

static void one_line(osp_str text, osp_fds *fds)
{
    char out[ROOM];
    osp_stat_line st;
    osp_str at;
    uint32_t hierarchy;
    one_call(text, fds);
    if (osp_stat_parse(text, &st) && st.name.n > text.n)
        abort();
    if (osp_socket_address(text, out, sizeof out))
        must_end(out, sizeof out);
    osp_fd_words(text, out, sizeof out);
    must_end(out, sizeof out);
    (void)osp_cgroup_mount_parse(text, text, &at, &hierarchy);
    (void)osp_cgroup_is_called(text, S("a"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const osp_str text = osp_span_text((osp_span){bytes, n});
    osp_fds *fds = osp_fds_of(NULL);
    osp_socket s;
    if (!fds)
        return 0;
    if (!osp_fds_add(fds, "tcp", text) || !osp_fds_add(fds, "unix", text))
        abort();
    for (uint64_t inode = 0; inode < 4; inode++)
        if (osp_fds_find(fds, inode + 12344, &s) && (s.local.n > n || s.peer.n > ROOM))
            abort();
    (void)osp_container_parse(text);
    (void)osp_cgroup_text_holds(text, 0, S("/a"));
    (void)osp_innermost_pid(osp_status_field(text, S("NSpid")), 1);
    for (osp_str rest = text; rest.n;)
        one_line(osp_str_cut(&rest, '\n'), fds);
    osp_fds_drop(fds);
    return 0;
}
