/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that are sampled: who each is, what is mapped in it, its Go runtime.
 *
 * A process is one subject until it execs and another from then on; samples find theirs by pid and time. What a subject
 * has mapped is read from /proc when its first sample comes. If it has ended by then, what the kernel told of it serves:
 * the mappings since its exec, or those of the process that forked it. The file of each new program is opened as soon as the
 * kernel tells of the exec and is held, for it may be deleted while the program runs. */
#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SUBJECT_LIMIT = 64 << 20, HELD = 256, MAPS_LIMIT = 4096, LATE_LIMIT = 4096 };

/* ---- one --------------------------------------------------------------------------------------------------- */

bool osp_subject_identify(osp_subject *s, osp_err *err)
{
    if (!osp_process_info_read(s->process, &s->arena, &s->info, err))
        return false;
    osp_str_z(s->info.name, s->name, sizeof s->name);
    return true;
}

bool osp_subject_hold(osp_subject *s, osp_err *err)
{
    if (s->process)
        return true;
    s->process = osp_process_open(s->pid, err);
    if (s->process && !osp_subject_identify(s, err)) {
        osp_process_close(s->process);
        s->process = NULL;
    }
    return s->process != NULL;
}

static osp_subject *new_subject(int pid, osp_err *err)
{
    osp_subject *s = calloc(1, sizeof *s);
    if (!s) {
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    *s = (osp_subject){.pid = pid, .until_ns = UINT64_MAX, .unwind_go = {.g_goid = -1, .g_labels = -1}};
    osp_arena_init(&s->arena, SUBJECT_LIMIT);
    return s;
}

osp_subject *osp_subject_open(int pid, osp_process *process, osp_go *go, osp_err *err)
{
    osp_subject *s = new_subject(pid, err);
    if (!s)
        return NULL;
    s->process = process ? process : osp_process_open(pid, err);
    s->go = go;
    s->borrowed = process != NULL;
    s->go_borrowed = go != NULL;
    if (!s->process || !osp_subject_identify(s, err)) {
        osp_subject_close(s);
        return NULL;
    }
    return s;
}

void osp_subject_close(osp_subject *s)
{
    if (!s)
        return;
    osp_space_drop(&s->space);
    if (!s->go_borrowed)
        osp_go_close(s->go);
    if (!s->borrowed)
        osp_process_close(s->process);
    for (size_t i = 0; i < s->ntold; i++)
        free((void *)(uintptr_t)s->told[i].path.p);
    free(s->told);
    osp_arena_drop(&s->arena);
    free(s);
}

static osp_go *find_go(osp_subject *s, osp_objects *objects, osp_err *why)
{
    osp_arena a;
    osp_image image;
    osp_go *go = NULL;
    osp_arena_init(&a, SUBJECT_LIMIT);
    if (osp_process_image(s->process, &a, &image, why))
        go = osp_go_open(&image, objects, why);
    osp_arena_drop(&a);
    return go;
}

bool osp_subject_refresh(osp_subject *s, osp_objects *objects, bool *changed, osp_err *why_no_goroutines,
                         osp_err *err)
{
    if (!osp_space_refresh(&s->space, s->process, objects, changed, err))
        return false;
    if (!*changed)
        return true;
    s->generation++;
    if (!s->go)
        s->go = find_go(s, objects, why_no_goroutines);
    osp_space_go(s->go, &s->unwind_go);
    return true;
}

static bool nothing_to_read(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    (void)ctx, (void)dst;
    return osp_fail(err, OSP_EABSENT, "the process has ended: no memory at 0x%llx (%zu bytes)",
                    (unsigned long long)addr, n);
}

osp_mem osp_subject_mem(const osp_subject *s)
{
    return s->process && s->until_ns == UINT64_MAX ? osp_process_mem(s->process) : (osp_mem){.read = nothing_to_read};
}

/* ---- mappings that the kernel told of ------------------------------------------------------------------------ */

static void drop_told(osp_subject *s, size_t i)
{
    free((void *)(uintptr_t)s->told[i].path.p);
    memmove(s->told + i, s->told + i + 1, (s->ntold - i - 1) * sizeof *s->told);
    s->ntold--;
}

static void add_told(osp_subject *s, const osp_map *m)
{
    void *array = s->told;
    char *path = malloc(m->path.n + 1);
    if (!path || s->ntold >= MAPS_LIMIT || !osp_grow(&array, &s->told_cap, s->ntold + 1, sizeof *s->told)) {
        free(path);
        return;
    }
    memcpy(path, m->path.p, m->path.n);
    s->told = array;
    size_t at = s->ntold;
    while (at > 0 && s->told[at - 1].start > m->start)
        at--;
    memmove(s->told + at + 1, s->told + at, (s->ntold - at) * sizeof *s->told);
    s->told[at] = *m;
    s->told[at].path.p = path;
    s->ntold++;
}

/* Map m: of older mappings that it lies over, what sticks out is left. */
static void map_told(osp_subject *s, const osp_map *m)
{
    for (size_t i = 0; i < s->ntold;) {
        osp_map *old = &s->told[i];
        if (old->end <= m->start || old->start >= m->end) {
            i++;
        } else if (old->start < m->start) {
            osp_map right = *old;
            uint64_t cut = m->end;
            old->end = m->start;
            if (right.end > cut) {
                right.offset += cut - right.start;
                right.start = cut;
                add_told(s, &right);
            }
            i++;
        } else if (old->end > m->end) {
            old->offset += m->end - old->start;
            old->start = m->end;
            i++;
        } else {
            drop_told(s, i);
        }
    }
    add_told(s, m);
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

/* A program's file that is held open. */
struct held {
    int fd; /* 0 in an empty place: never ours */
    uint64_t dev, inode;
};

struct osp_subjects {
    osp_objects *objects;
    bool follow, any;
    osp_subject **cell; /* by pid; open addressing, a power of two */
    size_t ncell, n;
    size_t nended;
    uint32_t serial;
    uint32_t *free_slot; /* those given back; nslot: all there are */
    size_t nfree, free_cap;
    uint32_t nslot;
    struct held held[HELD];
    size_t next_held;
    osp_birth late[LATE_LIMIT]; /* of processes whose own birth was not told yet; texts are ours */
    size_t nlate, nold;         /* nold of them: since the drain before this one */
    uint64_t threads;
};

osp_subjects *osp_subjects_new(osp_objects *objects, bool follow, bool any, osp_err *err)
{
    osp_subjects *t = calloc(1, sizeof *t);
    if (t)
        t->cell = calloc(64, sizeof(osp_subject *));
    if (!t || !t->cell) {
        free(t);
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    t->ncell = 64;
    t->objects = objects;
    t->follow = follow;
    t->any = any;
    return t;
}

/* Of what came too early, drop the oldest n. */
static void drop_late(osp_subjects *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)t->late[i].text.p);
    memmove(t->late, t->late + n, (t->nlate - n) * sizeof *t->late);
    t->nlate -= n;
}

void osp_subjects_drop(osp_subjects *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->ncell; i++)
        for (osp_subject *s = t->cell[i], *before; s; s = before) {
            before = s->before;
            osp_subject_close(s);
        }
    for (size_t i = 0; i < HELD; i++)
        if (t->held[i].fd)
            close(t->held[i].fd);
    drop_late(t, t->nlate);
    free(t->free_slot);
    free(t->cell);
    free(t);
}

static osp_subject **place(osp_subject **cell, size_t ncell, int pid)
{
    size_t i = osp_hash_mix((uint64_t)pid, 1) & (ncell - 1);
    while (cell[i] && cell[i]->pid != pid)
        i = (i + 1) & (ncell - 1);
    return &cell[i];
}

static bool make_room(osp_subjects *t, osp_err *err)
{
    if (t->n * 2 < t->ncell)
        return true;
    osp_subject **cell = calloc(t->ncell * 2, sizeof(osp_subject *));
    if (!cell)
        return osp_fail_memory(err, "keeping processes apart");
    for (size_t i = 0; i < t->ncell; i++)
        if (t->cell[i])
            *place(cell, t->ncell * 2, t->cell[i]->pid) = t->cell[i];
    free(t->cell);
    t->cell = cell;
    t->ncell *= 2;
    return true;
}

/* Take a pid out; what stands behind it in the same row of cells moves up. */
static void empty_cell(osp_subjects *t, osp_subject **at)
{
    size_t mask = t->ncell - 1, i = (size_t)(at - t->cell);
    *at = NULL;
    t->n--;
    for (size_t k = (i + 1) & mask; t->cell[k]; k = (k + 1) & mask) {
        osp_subject *s = t->cell[k];
        t->cell[k] = NULL;
        *place(t->cell, t->ncell, s->pid) = s;
    }
}

bool osp_subjects_add(osp_subjects *t, osp_subject *s, osp_err *err)
{
    if (!make_room(t, err))
        return false;
    osp_subject **at = place(t->cell, t->ncell, s->pid);
    t->n += *at == NULL;
    s->serial = ++t->serial;
    s->slot = t->nfree ? t->free_slot[--t->nfree] : t->nslot++;
    s->before = *at;
    *at = s;
    return true;
}

void osp_subjects_each(const osp_subjects *t, void (*each)(void *ctx, osp_subject *s), void *ctx)
{
    for (size_t i = 0; i < t->ncell; i++)
        if (t->cell[i] && t->cell[i]->until_ns == UINT64_MAX)
            each(ctx, t->cell[i]);
}

osp_subject *osp_subjects_now(osp_subjects *t, int pid) { return *place(t->cell, t->ncell, pid); }

osp_subject *osp_subjects_at(osp_subjects *t, int pid, uint64_t time_ns)
{
    osp_subject *s = osp_subjects_now(t, pid);
    while (s && s->since_ns > time_ns && s->before)
        s = s->before;
    return s;
}

osp_subject *osp_subjects_of_sample(osp_subjects *t, const osp_raw_sample *head)
{
    osp_err ignored; /* without memory the sample is lost, and counted */
    osp_subject *s = osp_subjects_at(t, (int)head->pid, head->ktime_ns);
    if (s)
        return s;
    s = new_subject((int)head->pid, &ignored);
    if (!s || !osp_subjects_add(t, s, &ignored)) {
        osp_subject_close(s);
        return NULL;
    }
    osp_str_z(osp_str_from(head->comm), s->name, sizeof s->name);
    return s;
}

uint64_t osp_subjects_threads(const osp_subjects *t) { return t->threads; }

/* ---- the kernel tells ---------------------------------------------------------------------------------------- */

static void end(osp_subjects *t, osp_subject *s, uint64_t time_ns)
{
    if (!s || s->until_ns != UINT64_MAX)
        return;
    s->until_ns = time_ns;
    t->nended++;
}

static osp_subject *begin(osp_subjects *t, int pid, uint64_t time_ns)
{
    osp_err ignored; /* without memory its samples go to who was before */
    osp_subject *s = new_subject(pid, &ignored);
    if (!s)
        return NULL;
    s->since_ns = time_ns;
    end(t, osp_subjects_now(t, pid), time_ns);
    if (osp_subjects_add(t, s, &ignored))
        return s;
    osp_subject_close(s);
    return NULL;
}

static void on_fork(osp_subjects *t, const osp_birth *b)
{
    const osp_subject *parent = osp_subjects_now(t, b->parent);
    if (b->pid == b->parent) {
        t->threads += parent != NULL;
        return;
    }
    if (!t->any && !(t->follow && parent))
        return;
    osp_subject *s = begin(t, b->pid, b->time_ns);
    if (!s)
        return;
    s->parent = b->parent;
    if (!parent)
        return;
    memcpy(s->name, parent->name, sizeof s->name);
    s->told_all = parent->told_all;
    for (size_t i = 0; i < parent->ntold; i++)
        add_told(s, &parent->told[i]);
    for (size_t i = 0; i < t->nlate; i++)
        if (t->late[i].pid == b->pid && t->late[i].time_ns >= b->time_ns)
            osp_subjects_tell(t, &t->late[i]);
}

/* Hold the file of a program that has just begun. */
static void hold_file(osp_subjects *t, osp_subject *s)
{
    int fd = osp_process_exe(s->pid, &s->exe_dev, &s->exe_inode);
    bool known = fd < 0;
    for (size_t i = 0; i < HELD && !known; i++)
        known = t->held[i].fd && t->held[i].inode == s->exe_inode && t->held[i].dev == s->exe_dev;
    if (known) {
        osp_close_fd(&fd);
        return;
    }
    struct held *h = &t->held[t->next_held++ % HELD];
    if (h->fd)
        close(h->fd);
    *h = (struct held){fd, s->exe_dev, s->exe_inode};
}

static void on_exec(osp_subjects *t, const osp_birth *b)
{
    const osp_subject *old = osp_subjects_now(t, b->pid);
    int parent = old ? old->parent : 0;
    osp_subject *s = begin(t, b->pid, b->time_ns);
    if (!s)
        return;
    s->parent = parent;
    s->told_all = true;
    osp_str_z(b->text, s->name, sizeof s->name);
    hold_file(t, s);
}

static void on_map(osp_subject *s, const osp_birth *b)
{
    osp_map m = {.start = b->start,
                 .end = b->end,
                 .offset = b->offset,
                 .dev = b->dev,
                 .inode = b->inode,
                 .read = true,
                 .exec = true,
                 .path = osp_str_eq(b->text, S("//anon")) ? S("") : b->text};
    if (b->end > b->start)
        map_told(s, &m);
}

/* Keep what is told of a process whose own birth may come from another CPU's ring: until the next drain. */
static void keep_late(osp_subjects *t, const osp_birth *b)
{
    char *text = t->follow && t->nlate < LATE_LIMIT ? malloc(b->text.n + 1) : NULL;
    if (!text)
        return;
    if (b->text.n)
        memcpy(text, b->text.p, b->text.n);
    t->late[t->nlate] = *b;
    t->late[t->nlate++].text.p = text;
}

void osp_subjects_told_all(osp_subjects *t)
{
    drop_late(t, t->nold);
    t->nold = t->nlate;
}

void osp_subjects_tell(osp_subjects *t, const osp_birth *b)
{
    osp_subject *s = osp_subjects_now(t, b->pid);
    if (b->what == OSP_BIRTH_FORK) {
        on_fork(t, b);
        return;
    }
    if (!s && !t->any) {
        keep_late(t, b);
        return;
    }
    switch (b->what) {
    case OSP_BIRTH_EXEC:
        on_exec(t, b);
        break;
    case OSP_BIRTH_NAME:
        if (s && b->tid == b->pid && !s->process)
            osp_str_z(b->text, s->name, sizeof s->name);
        break;
    case OSP_BIRTH_MAP:
        /* Of a process whose mappings we were not told from the start, /proc tells. */
        if (s && s->told_all)
            on_map(s, b);
        break;
    case OSP_BIRTH_EXIT:
        if (s && (b->tid == b->pid || s->leader_ended)) {
            s->leader_ended = true;
            if (osp_process_ended(b->pid))
                end(t, s, b->time_ns);
        }
        break;
    case OSP_BIRTH_FORK:
        break;
    }
}

static void give_back(osp_subjects *t, uint32_t slot)
{
    void *array = t->free_slot;
    if (!osp_grow(&array, &t->free_cap, t->nfree + 1, sizeof *t->free_slot))
        return; /* then it is not used again */
    t->free_slot = array;
    t->free_slot[t->nfree++] = slot;
}

/* What a process has mapped now, as if we had been told. */
static void learn(osp_subjects *t, osp_subject *s)
{
    osp_arena a;
    osp_map *map;
    osp_err gone; /* then it is not sampled */
    uint32_t n;
    osp_process *p = osp_process_open(s->pid, &gone);
    osp_arena_init(&a, SUBJECT_LIMIT);
    if (p && osp_process_maps(p, &a, &map, &n, &gone)) {
        for (uint32_t i = 0; i < n; i++)
            if (map[i].exec)
                add_told(s, &map[i]);
        s->told_all = true;
        hold_file(t, s);
    }
    osp_arena_drop(&a);
    osp_process_close(p);
}

bool osp_subjects_take_in_all(osp_subjects *t, osp_err *err)
{
    osp_arena a;
    osp_process_row *row;
    uint32_t n;
    osp_arena_init(&a, SUBJECT_LIMIT);
    bool ok = osp_processes_read(&a, &row, &n, err);
    for (uint32_t i = 0; ok && i < n; i++) {
        osp_subject *s = osp_subjects_now(t, row[i].pid) ? NULL : new_subject(row[i].pid, err);
        if (!s)
            continue;
        s->parent = row[i].parent;
        osp_str_z(row[i].name, s->name, sizeof s->name);
        learn(t, s);
        ok = osp_subjects_add(t, s, err);
        if (!ok)
            osp_subject_close(s);
    }
    osp_arena_drop(&a);
    return ok;
}

void osp_subjects_forget(osp_subjects *t, void (*forgotten)(void *ctx, const osp_subject *s, bool last), void *ctx)
{
    for (size_t i = 0; t->nended && i < t->ncell; i++) {
        osp_subject **link = &t->cell[i], *s;
        bool had = *link != NULL;
        while ((s = *link)) {
            if (s->until_ns == UINT64_MAX || s->pinned) {
                link = &s->before;
                continue;
            }
            *link = s->before;
            forgotten(ctx, s, !t->cell[i]);
            give_back(t, s->slot);
            osp_subject_close(s);
        }
        if (had && !t->cell[i]) {
            empty_cell(t, &t->cell[i]);
            i--; /* another may have moved here */
        }
    }
    t->nended = 0;
}

/* ---- what is mapped ------------------------------------------------------------------------------------------ */

struct opener {
    const osp_subjects *all;
    const osp_subject *of;
};

static int open_told(void *ctx, const osp_map *m, osp_err *err)
{
    const struct opener *o = ctx;
    for (size_t i = 0; i < HELD; i++) {
        const struct held *h = &o->all->held[i];
        if (h->fd && h->inode == m->inode && (h->dev == m->dev || h->inode == o->of->exe_inode))
            return fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
    }
    int fd = o->of->parent ? osp_mapped_file(o->of->parent, m, err) : -1;
    return fd >= 0 ? fd : osp_mapped_file(0, m, err);
}

/* Who it is by what the kernel told. */
static void name_told(osp_subject *s)
{
    s->info.name = osp_str_from(s->name);
    for (size_t i = 0; i < s->ntold; i++)
        if (s->told[i].inode && (!s->exe_inode || s->told[i].inode == s->exe_inode)) {
            s->info.exe = s->told[i].path;
            return;
        }
}

static bool space_of_told(osp_subjects *t, osp_subject *s, bool *changed, osp_err *err)
{
    struct opener opener = {t, s};
    osp_space_source from = {.open = open_told, .ctx = &opener};
    name_told(s);
    if (!osp_space_make(&s->space, &from, s->told, (uint32_t)s->ntold, t->objects, changed, err))
        return false;
    s->generation += *changed;
    return true;
}

/* The space of a child that ran its parent's program, and has ended. */
static bool space_of_parent(osp_subjects *t, osp_subject *s, bool *changed, osp_err *err)
{
    osp_subject *parent = osp_subjects_at(t, s->parent, s->since_ns);
    s->info.name = osp_str_from(s->name);
    if (!parent)
        return osp_fail(err, OSP_EABSENT, "process %d has ended", s->pid);
    if (!parent->space.map && !osp_subjects_map(t, parent, changed, NULL, err))
        return false;
    s->info.exe = osp_arena_str(&s->arena, parent->info.exe);
    *changed = false;
    if (s->space.hash == parent->space.hash)
        return true;
    if (!osp_space_copy(&s->space, &parent->space, err))
        return false;
    s->unwind_go = parent->unwind_go;
    s->generation++;
    *changed = true;
    return true;
}

/* Does /proc still show the program that the subject is, not one that came after? */
static bool same_program(const osp_subject *s)
{
    if (!s->exe_inode)
        return true;
    for (uint32_t i = 0; i < s->space.n; i++)
        for (size_t k = 0; k < s->ntold; k++)
            if (s->told[k].inode && s->told[k].start == s->space.map[i].start &&
                osp_str_eq(s->told[k].path, s->space.map[i].path))
                return true;
    return s->ntold == 0;
}

bool osp_subjects_map(osp_subjects *t, osp_subject *s, bool *changed, osp_err *why_no_goroutines, osp_err *err)
{
    osp_err ignored, gone;
    *changed = false;
    if (s->of_kernel)
        return true;
    if (s->until_ns == UINT64_MAX) {
        if (osp_subject_hold(s, &gone) &&
            osp_subject_refresh(s, t->objects, changed, why_no_goroutines ? why_no_goroutines : &ignored, err)) {
            if (same_program(s))
                return true;
        } else if (s->process && osp_process_alive(s->process)) {
            return false;
        }
    }
    if (s->told_all)
        return space_of_told(t, s, changed, err);
    if (s->parent)
        return space_of_parent(t, s, changed, err);
    s->info.name = osp_str_from(s->name);
    return s->space.map || osp_fail(err, OSP_EABSENT, "process %d has ended", s->pid);
}
