/* SPDX-License-Identifier: Apache-2.0 */
/* What is mapped where. Only executable mappings count: nothing else has a pc in it. */
#include "space/space.h"

#include "base/file.h"
#include "base/hash.h"

#include <elf.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { SPACE_LIMIT = 64 << 20, VDSO_LIMIT = 1 << 20, VDSO_PAGES = 2 };

void osp_space_drop(osp_space *s)
{
    osp_arena_drop(&s->arena);
    *s = (osp_space){0};
}

/* Bytes of the vDSO: of the process, else our own, which is the same kernel's. */
static bool read_vdso(const osp_mem *mem, uint64_t start, uint8_t *to, uint64_t size, osp_err *err)
{
    const uint8_t *own = (const uint8_t *)getauxval(AT_SYSINFO_EHDR); // NOLINT(performance-no-int-to-ptr)
    if (mem->read)
        return mem->read(mem->ctx, start, to, size, err);
    if (!own || size > VDSO_PAGES * (uint64_t)sysconf(_SC_PAGESIZE))
        return osp_fail(err, OSP_EABSENT, "no vDSO");
    memcpy(to, own, size);
    return true;
}

static osp_object *open_vdso(const osp_mem *mem, const osp_map *m, osp_objects *objects, osp_err *err)
{
    uint64_t size = m->end - m->start;
    osp_arena a;
    osp_arena_init(&a, VDSO_LIMIT + 4096);
    osp_object *o = NULL;
    uint8_t *bytes = size <= VDSO_LIMIT ? osp_new(&a, uint8_t, size) : NULL;
    if (bytes && read_vdso(mem, m->start, bytes, size, err)) {
        char key[32];
        osp_str name = {key, 0};
        static const char hex[] = "0123456789abcdef";
        uint64_t h = osp_hash(bytes, size);
        memcpy(key, "[vdso]", 6);
        for (int i = 0; i < 16; i++)
            key[6 + i] = hex[h >> (60 - 4 * i) & 15];
        name.n = 22;
        o = osp_objects_of_bytes(objects, name, (osp_span){bytes, size}, err);
    }
    osp_arena_drop(&a);
    return o;
}

static void open_map(const osp_space_source *from, const osp_map *m, osp_objects *objects, osp_space_map *out)
{
    osp_err err;
    osp_object *o = NULL;
    out->vdso = osp_str_eq(m->path, S("[vdso]"));
    if (out->vdso) {
        o = open_vdso(&from->mem, m, objects, &err);
    } else if (m->inode) {
        OSP_AUTO_CLOSE int fd = from->open(from->ctx, m, &err);
        char name[512];
        if (fd >= 0)
            o = osp_objects_of_fd(objects, fd, osp_str_z(m->path, name, sizeof name), &err);
    }
    /* A file that cannot be read or is no ELF file has no names and no rows: its addresses stay, that is no failure
     * of the recording. */
    if (o && osp_object_bias(o, m->start, m->offset, &out->bias, &err))
        out->object = o;
}

static void take_rows(osp_space_map *m, const osp_rows *rows)
{
    m->row = rows->row;
    m->nrow = rows->n;
    m->base = m->bias + rows->base;
}

/* Take what rows there are; is it all? */
static bool take_made(osp_space *s)
{
    osp_rows rows;
    bool all = true;
    for (uint32_t i = 0; i < s->n; i++) {
        bool made = s->map[i].object && osp_object_rows_made(s->map[i].object, &rows);
        if (made)
            take_rows(&s->map[i], &rows);
        all &= made || !s->map[i].object;
    }
    return all;
}

void osp_space_rows(osp_space *s)
{
    osp_rows rows;
    osp_err ignored; /* without rows there are frame pointers */
    for (uint32_t i = 0; i < s->n; i++)
        if (s->map[i].object && osp_object_rows(s->map[i].object, &rows, &ignored))
            take_rows(&s->map[i], &rows);
    s->whole = true;
}

bool osp_space_rule(const osp_space *s, uint64_t addr, uint32_t *rule)
{
    const osp_space_map *map = osp_space_at(s, addr);
    if (!map)
        return false;
    uint64_t pc = addr - map->base;
    if (map->row)
        *rule = pc >> 32 ? OSP_RULE_NONE : osp_rows_find(map->row, map->nrow, (uint32_t)pc);
    else
        *rule = map->object && !s->whole ? osp_object_rule_at(map->object, addr - map->bias) : OSP_RULE_NONE;
    return true;
}

static bool has_code(const osp_map *m) { return m->exec && !osp_str_eq(m->path, S("[vsyscall]")); }

bool osp_space_make(osp_space *s, const osp_space_source *from, const osp_map *all, uint32_t nall,
                    osp_objects *objects, bool *changed, osp_err *err)
{
    uint64_t hash = 1;
    uint32_t n = 0;
    for (uint32_t i = 0; i < nall; i++)
        if (has_code(&all[i])) {
            hash = osp_hash_mix(hash ^ all[i].start, all[i].end ^ all[i].inode << 20);
            n++;
        }
    *changed = hash != s->hash || !s->map;
    if (!*changed)
        return true;
    osp_arena a;
    osp_arena_init(&a, SPACE_LIMIT);
    osp_space_map *map = osp_new(&a, osp_space_map, n ? n : 1);
    uint32_t k = 0;
    for (uint32_t i = 0; map && i < nall; i++) {
        if (!has_code(&all[i]))
            continue;
        osp_space_map *m = &map[k++];
        osp_str path = osp_arena_str(&a, all[i].path);
        *m = (osp_space_map){
            .start = all[i].start, .end = all[i].end, .offset = all[i].offset, .path = path, .inode = all[i].inode};
        if (!path.p && all[i].path.n)
            map = NULL;
        else
            open_map(from, &all[i], objects, m);
    }
    if (!map) {
        osp_arena_drop(&a);
        return osp_fail_memory(err, "reading the process's mappings");
    }
    osp_arena_drop(&s->arena);
    *s = (osp_space){.arena = a, .map = map, .n = n, .hash = hash};
    s->whole = take_made(s);
    return true;
}

bool osp_space_copy(osp_space *to, const osp_space *from, osp_err *err)
{
    osp_arena a;
    osp_arena_init(&a, SPACE_LIMIT);
    osp_space_map *map = osp_new(&a, osp_space_map, from->n ? from->n : 1);
    for (uint32_t i = 0; map && i < from->n; i++) {
        map[i] = from->map[i];
        map[i].path = osp_arena_str(&a, from->map[i].path);
    }
    if (!map) {
        osp_arena_drop(&a);
        return osp_fail_memory(err, "reading the process's mappings");
    }
    osp_arena_drop(&to->arena);
    *to = (osp_space){.arena = a, .map = map, .n = from->n, .hash = from->hash, .whole = from->whole};
    return true;
}

static int open_mapped(void *ctx, const osp_map *m, osp_err *err) { return osp_process_map_fd(ctx, m, err); }

osp_space_source osp_space_from(osp_process *p)
{
    return (osp_space_source){.mem = osp_process_mem(p), .open = open_mapped, .ctx = p};
}

bool osp_space_refresh(osp_space *s, osp_process *p, osp_objects *objects, bool *changed, osp_err *err)
{
    osp_arena a;
    osp_map *all;
    uint32_t nall;
    const osp_space_source from = osp_space_from(p);
    osp_arena_init(&a, SPACE_LIMIT);
    bool ok = osp_process_maps(p, &a, &all, &nall, err) && osp_space_make(s, &from, all, nall, objects, changed, err);
    osp_arena_drop(&a);
    return ok;
}

bool osp_space_of_image(osp_space *s, const osp_image *image, osp_objects *objects, osp_err *err)
{
    bool changed;
    const osp_space_source from = {.mem = image->mem, .open = image->open_map, .ctx = image->ctx};
    return osp_space_make(s, &from, image->map, image->nmap, objects, &changed, err);
}

bool osp_space_differs(const osp_space *s, uint64_t start, uint64_t end, uint64_t offset, uint64_t inode)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const osp_space_map *m = &s->map[i];
        if (m->start < end && start < m->end &&
            (m->inode != inode || (inode && m->start - m->offset != start - offset)))
            return true;
    }
    return false;
}

const osp_space_map *osp_space_at(const osp_space *s, uint64_t addr)
{
    uint32_t lo = 0, hi = s->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->map[mid].end <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && addr >= s->map[lo].start ? &s->map[lo] : NULL;
}

void osp_space_go(const osp_go *go, osp_unwind_go *out)
{
    osp_err err;
    int64_t tls = 0;
    uint64_t bias;
    *out = (osp_unwind_go){.g_goid = -1, .g_labels = -1};
    if (!go)
        return;
    bool aarch64 = osp_object_machine(osp_go_object(go, &bias)) == EM_AARCH64, has_tls = osp_go_tls_g(go, &tls, &err);
    if (!has_tls && !aarch64)
        return;
    const osp_go_layout *l = osp_go_offsets(go);
    *out = (osp_unwind_go){
        .has_go = 1,
        .g_stack_lo = (uint32_t)l->g_stack_lo,
        .g_stack_hi = (uint32_t)l->g_stack_hi,
        .g_m = (uint32_t)l->g_m,
        .g_sched_sp = (uint32_t)l->g_sched_sp,
        .g_sched_pc = (uint32_t)l->g_sched_pc,
        .g_sched_bp = (uint32_t)l->g_sched_bp,
        .m_g0 = (uint32_t)l->m_g0,
        .m_curg = (uint32_t)l->m_curg,
        .g_goid = l->g_goid,
        .g_labels = l->g_labels,
        .labels_are_slice = l->labels_are_slice,
        .no_tls = !has_tls,
        .tls_g = tls,
    };
    osp_unwind_go_machine(out, aarch64, osp_go_version_number(go));
}
