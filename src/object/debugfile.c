/* SPDX-License-Identifier: Apache-2.0 */
/* debugfile.c: finds the separate debug file of an object (gdb manual, "Debugging Information in Separate Files"):
 *
 *     ROOT/.build-id/ab/cdef….debug          by the GNU build id, which must be the same in both
 *     DIR/NAME, DIR/.debug/NAME, ROOT/DIR/NAME   by .gnu_debuglink: NAME, padding to 4, CRC-32 of the whole file
 *
 * Only a file that proves to belong to the object is taken. */
#include "object_internal.h"

#include <elf.h>
#include <libdeflate.h>
#include <stdio.h>

enum { MAX_FILE = INT32_MAX };

static bool open_elf(const char *path, osp_file *file, osp_elf *out, osp_arena *arena)
{
    osp_err ignored; /* a candidate that is not there or not ELF is no candidate */
    if (!osp_file_open(path, (size_t)MAX_FILE * 4, file, &ignored))
        return false;
    if (osp_elf_open(out, file->bytes, arena, &ignored))
        return true;
    osp_file_close(file);
    return false;
}

static bool by_build_id(const osp_elf *e, const char *root, osp_file *file, osp_elf *out, osp_arena *arena)
{
    osp_span id = osp_elf_note(e, S("GNU"), NT_GNU_BUILD_ID);
    if (id.n < 2 || id.n > 64)
        return false;
    char hex[2 * 64 + 1], path[4096];
    for (size_t i = 0; i < id.n; i++)
        snprintf(hex + 2 * i, 3, "%02x", id.p[i]);
    snprintf(path, sizeof path, "%s/.build-id/%.2s/%s.debug", root, hex, hex + 2);
    if (!open_elf(path, file, out, arena))
        return false;
    osp_span theirs = osp_elf_note(out, S("GNU"), NT_GNU_BUILD_ID);
    if (theirs.n == id.n && memcmp(theirs.p, id.p, id.n) == 0)
        return true;
    osp_file_close(file);
    return false;
}

static bool by_link(const osp_elf *e, const char *root, const char *name, osp_file *file, osp_elf *out,
                    osp_arena *arena)
{
    const osp_section *s = osp_elf_section(e, S(".gnu_debuglink"));
    if (!s || !name)
        return false;
    osp_span b = osp_elf_raw(e, s);
    const uint8_t *end = b.n ? memchr(b.p, 0, b.n) : NULL;
    if (!end || end == b.p || memchr(b.p, '/', (size_t)(end - b.p)))
        return false;
    size_t crc_at = ((size_t)(end - b.p) + 4) & ~(size_t)3;
    if (crc_at > b.n || b.n - crc_at < 4)
        return false;
    uint32_t crc = osp_le32(b.p + crc_at);
    osp_str dir = osp_str_from(name);
    dir.n = osp_str_rfind(dir, '/');
    if (dir.n == strlen(name))
        dir = S(".");
    for (int i = 0; i < 3; i++) {
        char path[4096];
        int n = snprintf(path, sizeof path, "%s%.*s%s/%s", i == 2 ? root : "", STRF(dir), i == 1 ? "/.debug" : "",
                         (const char *)b.p);
        if (n < 0 || (size_t)n >= sizeof path || !open_elf(path, file, out, arena))
            continue;
        if (libdeflate_crc32(0, file->bytes.p, file->bytes.n) == crc)
            return true;
        osp_file_close(file);
    }
    return false;
}

bool osp_debug_file(const osp_elf *e, const char *root, const char *name, osp_file *file, osp_elf *out,
                    osp_arena *arena)
{
    if (!root)
        root = "/usr/lib/debug";
    return by_build_id(e, root, file, out, arena) || by_link(e, root, name, file, out, arena);
}
