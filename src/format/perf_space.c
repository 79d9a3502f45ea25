/* SPDX-License-Identifier: Apache-2.0 */
/* Who ran, what was mapped where, and what stands at an address.
 *
 * Mappings of processes that were forked are shared until one of them changes. A file is called by its path and build id, and
 * opened once: at its path, or under its build id in ~/.debug, where perf keeps copies; a file that is not the one that
 * was sampled is not used. One file, mapped at different places by different processes, is one mapping of the profile: at
 * the place where it was met first. */
#include "base/search.h"
#include "format/perf_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

enum {
    RECORD_MMAP = 1,
    RECORD_COMM = 3,
    RECORD_EXIT = 4,
    RECORD_FORK = 7,
    RECORD_MMAP2 = 10,
    MISC_CPUMODE = 7,
    MISC_KERNEL = 1,
    MISC_COMM_EXEC = 1 << 13,
    MISC_MMAP_DATA = 1 << 13,
    MISC_BUILD_ID = 1 << 14,
    MOST_MAPS = 1 << 24, /* of all processes that live */
    MOST_TRIES = 4096,   /* to find a map of compiled code */
    MOST_FRAMES = 200,
    VDSO_BYTES = 1 << 16,
};

/* ---- what is mapped ------------------------------------------------------------------------------------------- */

/* A file, or what stands for one: "[vdso]", "//anon". */
typedef struct {
    osp_str path;
    uint8_t build_id[OSP_PERF_BUILD_ID_MAX];
    uint32_t build_id_n;
    bool tried, counted;
    osp_object *object;
    osp_jit *compiled; /* it is no file with code, but tells what is in memory without one */
} dso;

/* A part of a file as the profile shows it. */
typedef struct {
    osp_mapping_id id;
    uint64_t start; /* where the profile has it */
    uint64_t offset, size;
    uint64_t bias, base; /* of an address there: less bias = file address, less base = a row's pc */
    osp_rows rows;
    bool made, rows_tried;
} segment;

typedef struct {
    uint64_t start, end, offset;
    uint32_t dso, segment;
} map;

typedef struct {
    uint32_t users;
    size_t n, cap;
    map *map; /* sorted, none overlaps */
} map_table;

typedef struct {
    uint32_t pid;
    map_table *maps; /* NULL = none */
    uint64_t generation;
    bool tried;        /* to find its map of compiled code */
    uint32_t compiled; /* which dso that is, + 1; 0 = none */
} process;

typedef struct {
    uint32_t pid, tid;
    osp_string_id name;
    osp_labelset_id labels;
    bool labelled;
} thread;

/* Rows found by a number of 8 bytes: open addressing; row + 1, 0 = free. */
typedef struct {
    uint32_t *cell;
    size_t ncell, n;
} lookup;

/* An address that was met: in a segment, or in the kernel. */
typedef struct {
    uint64_t addr;
    uint32_t where; /* segment + FIRST_SEGMENT; 0 = a free cell */
    osp_location_id at;
} place;

enum { IN_KERNEL = 1, IN_NOTHING = 2, FIRST_SEGMENT = 3 };

struct osp_perf_space {
    osp_perf_file *f;
    osp_names *names;
    osp_objects *objects;
    dso *dso;
    osp_intern dso_names, segment_names; /* keys, in the file's arena */
    osp_intern build_id_names;           /* of the file's table */
    size_t *build_id_at;                 /* by id there: index into the table */
    size_t nindexed, build_id_cap;
    segment *segment;
    process *process;
    thread *thread;
    lookup processes, threads;
    place *place; /* by hash */
    size_t ncell, nplace;
    uint64_t seed;
    size_t ndso, dso_cap, segment_cap, nprocess, process_cap, nthread, thread_cap;
    uint64_t generation, live_maps, moves; /* moves: of maps in tables, and copies; what is left */
    map_table kernel;
    osp_mapping_id kernel_id;
    uint64_t kernel_start; /* address of _text or _stext when it was recorded */
    osp_kallsyms *kallsyms;
    bool kallsyms_tried;
    osp_string_id key_thread, key_pid, key_tid;
    uint32_t files, missing, tries;
    osp_str first_missing;
    osp_frame frame[MOST_FRAMES];
    osp_line line[MOST_FRAMES];
};

osp_perf_space *osp_perf_space_new(osp_perf_file *f, osp_names *names, osp_err *err)
{
    osp_perf_space *s = calloc(1, sizeof *s);
    if (!s || !(s->objects = osp_objects_new(NULL))) {
        free(s);
        osp_fail_memory(err, "reading perf.data");
        return NULL;
    }
    s->f = f;
    s->names = names;
    s->seed = osp_hash_pair(0, 0);
    s->moves = ((uint64_t)1 << 27) + f->in.n; /* half a second */
    s->key_thread = osp_builder_string(names->b, S("thread"));
    s->key_pid = osp_builder_string(names->b, S("pid"));
    s->key_tid = osp_builder_string(names->b, S("tid"));
    return s;
}

static void give_up_maps(osp_perf_space *s, map_table *t)
{
    if (!t || --t->users)
        return;
    s->live_maps -= t->n;
    free(t->map);
    free(t);
}

void osp_perf_space_drop(osp_perf_space *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->nprocess; i++)
        give_up_maps(s, s->process[i].maps);
    free(s->kernel.map);
    free(s->process);
    free(s->thread);
    for (size_t i = 0; i < s->ndso; i++)
        osp_jit_close(s->dso[i].compiled);
    free(s->dso);
    free(s->segment);
    free(s->place);
    free(s->processes.cell);
    free(s->threads.cell);
    osp_intern_drop(&s->dso_names);
    osp_intern_drop(&s->segment_names);
    osp_intern_drop(&s->build_id_names);
    free(s->build_id_at);
    osp_kallsyms_close(s->kallsyms);
    osp_objects_drop(s->objects);
    free(s);
}

/* ---- processes and threads ------------------------------------------------------------------------------------ */

static uint64_t thread_key(const osp_perf_space *s, uint32_t i)
{
    return (uint64_t)s->thread[i].pid << 32 | s->thread[i].tid;
}
static uint64_t process_key(const osp_perf_space *s, uint32_t i) { return s->process[i].pid; }

/* The cell of a key: its row, or the free one where it belongs. */
static uint32_t *cell_of(const osp_perf_space *s, const lookup *x, uint64_t key,
                         uint64_t (*key_of)(const osp_perf_space *, uint32_t))
{
    size_t at = osp_hash_pair(key, 0) & (x->ncell - 1);
    while (x->cell[at] && key_of(s, x->cell[at] - 1) != key)
        at = (at + 1) & (x->ncell - 1);
    return &x->cell[at];
}

static bool widen(osp_perf_space *s, lookup *x, uint64_t (*key_of)(const osp_perf_space *, uint32_t))
{
    if (x->ncell > x->n * 2)
        return true;
    lookup wider = {.ncell = x->ncell ? x->ncell * 2 : 64, .n = x->n};
    wider.cell = calloc(wider.ncell, sizeof *wider.cell);
    if (!wider.cell)
        return false;
    for (uint32_t i = 0; i < x->n; i++)
        *cell_of(s, &wider, key_of(s, i), key_of) = i + 1;
    free(x->cell);
    *x = wider;
    return true;
}

static process *process_of(osp_perf_space *s, uint32_t pid)
{
    void *all = s->process;
    if (!widen(s, &s->processes, process_key))
        return NULL;
    uint32_t *cell = cell_of(s, &s->processes, pid, process_key);
    if (*cell)
        return &s->process[*cell - 1];
    if (!osp_grow(&all, &s->process_cap, s->nprocess + 1, sizeof *s->process))
        return NULL;
    s->process = all;
    s->process[s->nprocess++] = (process){.pid = pid, .generation = ++s->generation};
    *cell = (uint32_t)s->nprocess;
    s->processes.n = s->nprocess;
    return &s->process[s->nprocess - 1];
}

static thread *thread_of(osp_perf_space *s, uint32_t pid, uint32_t tid)
{
    void *all = s->thread;
    if (!widen(s, &s->threads, thread_key))
        return NULL;
    uint32_t *cell = cell_of(s, &s->threads, (uint64_t)pid << 32 | tid, thread_key);
    if (*cell)
        return &s->thread[*cell - 1];
    if (!osp_grow(&all, &s->thread_cap, s->nthread + 1, sizeof *s->thread))
        return NULL;
    s->thread = all;
    s->thread[s->nthread++] = (thread){.pid = pid, .tid = tid};
    *cell = (uint32_t)s->nthread;
    s->threads.n = s->nthread;
    return &s->thread[s->nthread - 1];
}

osp_labelset_id osp_perf_labels(osp_perf_space *s, uint32_t pid, uint32_t tid)
{
    thread *t = thread_of(s, pid, tid);
    if (!t) {
        s->names->failed = true;
        return (osp_labelset_id){0};
    }
    if (t->labelled)
        return t->labels;
    osp_label label[3];
    size_t n = 0;
    if (t->name.i)
        label[n++] = (osp_label){.key = s->key_thread, .str = t->name};
    label[n++] = (osp_label){.key = s->key_pid, .num = (int32_t)pid};
    label[n++] = (osp_label){.key = s->key_tid, .num = (int32_t)tid};
    t->labels = osp_builder_labels(s->names->b, label, n);
    t->labelled = true;
    return t->labels;
}

uint64_t osp_perf_generation(osp_perf_space *s, uint32_t pid)
{
    process *p = process_of(s, pid);
    return p ? p->generation : 0;
}

/* ---- mappings ------------------------------------------------------------------------------------------------- */

/* Make the process's table its own, with room for `more` maps. */
static map_table *own_maps(osp_perf_space *s, process *p, size_t more, osp_err *err)
{
    map_table *t = p->maps;
    if (!t || t->users > 1) {
        map_table *copy = calloc(1, sizeof *copy);
        if (!copy) {
            osp_fail_memory(err, "reading mappings");
            return NULL;
        }
        copy->users = 1;
        size_t n = t ? t->n : 0;
        void *all = NULL;
        if (s->live_maps + n + more > MOST_MAPS || !osp_grow(&all, &copy->cap, n + more, sizeof *copy->map)) {
            free(copy);
            osp_fail(err, OSP_ELIMIT, "more than %d mappings", MOST_MAPS);
            return NULL;
        }
        copy->map = all;
        copy->n = n;
        if (n)
            memcpy(copy->map, t->map, n * sizeof *t->map);
        s->live_maps += n;
        s->moves -= s->moves < n ? s->moves : n;
        give_up_maps(s, t);
        p->maps = t = copy;
    }
    void *all = t->map;
    if (s->live_maps + more > MOST_MAPS || !osp_grow(&all, &t->cap, t->n + more, sizeof *t->map)) {
        osp_fail(err, OSP_ELIMIT, "more than %d mappings", MOST_MAPS);
        return NULL;
    }
    t->map = all;
    if (s->moves == 0) {
        osp_fail(err, OSP_ELIMIT, "too many mappings change too often");
        return NULL;
    }
    return t;
}

/* Put m into the table, over what was there; the table has room for two more. */
static void put_map(osp_perf_space *s, map_table *t, map m)
{
    size_t first = osp_rows_upto(t->map, t->n, sizeof *t->map, m.start), last;
    if (first && t->map[first - 1].end > m.start)
        first--;
    for (last = first; last < t->n && t->map[last].start < m.end; last++)
        ;
    map keep[3];
    size_t n = 0;
    if (first < last && t->map[first].start < m.start) {
        keep[n] = t->map[first];
        keep[n++].end = m.start;
    }
    keep[n++] = m;
    if (first < last && t->map[last - 1].end > m.end) {
        keep[n] = t->map[last - 1];
        keep[n].offset += m.end - keep[n].start;
        keep[n++].start = m.end;
    }
    memmove(t->map + first + n, t->map + last, (t->n - last) * sizeof *t->map);
    s->moves -= s->moves < t->n - last ? s->moves : t->n - last;
    memcpy(t->map + first, keep, n * sizeof *keep);
    s->live_maps += n;
    s->live_maps -= last - first;
    t->n = t->n - (last - first) + n;
}

static const map *map_at(const map_table *t, uint64_t addr)
{
    size_t i = t ? osp_rows_upto(t->map, t->n, sizeof *t->map, addr) : 0;
    return i && addr < t->map[i - 1].end ? &t->map[i - 1] : NULL;
}

static osp_str key_in_arena(osp_perf_space *s, osp_intern *t, uint32_t id, osp_str key)
{
    t->text[id] = osp_arena_str(&s->f->arena, key);
    return t->text[id];
}

/* What the file's table says of that path: the first entry. */
static const osp_perf_build_id *told_build_id(osp_perf_space *s, osp_str path)
{
    for (; s->nindexed < s->f->nbuild_id; s->nindexed++) {
        bool fresh;
        void *all = s->build_id_at;
        uint32_t id = osp_intern_put(&s->build_id_names, s->f->build_id[s->nindexed].file, &fresh);
        if (id == UINT32_MAX || !osp_grow(&all, &s->build_id_cap, (size_t)id + 1, sizeof *s->build_id_at))
            return NULL;
        s->build_id_at = all;
        if (fresh)
            s->build_id_at[id] = s->nindexed;
    }
    uint32_t id = osp_intern_find(&s->build_id_names, path);
    return id == UINT32_MAX ? NULL : &s->f->build_id[s->build_id_at[id]];
}

/* The file of that path and build id (n bytes of it; 0 = not told). UINT32_MAX without memory. */
static uint32_t dso_of(osp_perf_space *s, osp_str path, const uint8_t *build_id, uint32_t n)
{
    const osp_perf_build_id *told = n ? NULL : told_build_id(s, path);
    if (told) {
        build_id = told->id;
        n = told->n;
    }
    char key[4096 + OSP_PERF_BUILD_ID_MAX];
    if (path.n > 4096)
        path.n = 4096;
    if (n)
        memcpy(key, build_id, n);
    memcpy(key + n, path.p, path.n);
    bool fresh;
    uint32_t id = osp_intern_put(&s->dso_names, (osp_str){key, n + path.n}, &fresh);
    void *all = s->dso;
    if (id == UINT32_MAX || !fresh)
        return id;
    osp_str kept = key_in_arena(s, &s->dso_names, id, (osp_str){key, n + path.n});
    if (!kept.p || !osp_grow(&all, &s->dso_cap, (size_t)id + 1, sizeof *s->dso)) {
        s->dso_names.text[id] = (osp_str){0};
        return UINT32_MAX;
    }
    s->dso = all;
    s->ndso = (size_t)id + 1;
    s->dso[id] = (dso){.path = osp_str_skip(kept, n), .build_id_n = n};
    if (n)
        memcpy(s->dso[id].build_id, build_id, n);
    return id;
}

static uint32_t segment_of(osp_perf_space *s, uint32_t dso_id, uint64_t offset, uint64_t size)
{
    uint64_t key[3] = {dso_id, offset, size};
    bool fresh;
    uint32_t id = osp_intern_put(&s->segment_names, (osp_str){(char *)key, sizeof key}, &fresh);
    void *all = s->segment;
    if (id == UINT32_MAX || !fresh)
        return id;
    if (!key_in_arena(s, &s->segment_names, id, (osp_str){(char *)key, sizeof key}).p ||
        !osp_grow(&all, &s->segment_cap, (size_t)id + 1, sizeof *s->segment)) {
        s->segment_names.text[id] = (osp_str){0};
        return UINT32_MAX;
    }
    s->segment = all;
    s->segment[id] = (segment){.offset = offset, .size = size};
    return id;
}

/* Memory without a file, in which code can have been compiled: perf's is_anon_memory() and is_no_dso_memory(). */
static bool is_anonymous(osp_str path)
{
    static const char *const begin[] = {"//anon", "[anon",  "/anon_hugepage", "/dev/zero",
                                        "[heap]", "[stack", "/SYSV"};
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
        if (osp_str_starts(path, osp_str_from(begin[i])))
            return true;
    return false;
}

/* The dso that stands for the process's map of compiled code, by its path; UINT32_MAX if it has none. */
static uint32_t compiled_of(osp_perf_space *s, process *p)
{
    char path[32];
    osp_err absent;
    if (!p->tried && s->tries < MOST_TRIES) {
        s->tries++;
        snprintf(path, sizeof path, "/tmp/perf-%" PRIu32 ".map", p->pid);
        osp_jit *m = osp_jit_open(path, geteuid(), &absent);
        uint32_t id = m ? dso_of(s, osp_str_from(path), NULL, 0) : UINT32_MAX;
        if (id != UINT32_MAX && !s->dso[id].compiled) {
            s->dso[id].compiled = m;
            p->compiled = id + 1;
        } else {
            osp_jit_close(m);
        }
    }
    p->tried = true;
    return p->compiled - 1;
}

/* u32 pid, tid; u64 start, size, offset; of MMAP2: u32 major, minor; u64 inode, generation (or u8 size of the build id, 3
 * unused, u8 id[20]); u32 protection, flags; the path. */
static bool take_mmap(osp_perf_space *s, const osp_perf_record *r, osp_err *err)
{
    osp_err short_record;
    osp_cur c = osp_cur_on(r->body, "mmap", &short_record);
    uint32_t pid = osp_cur_u32(&c), n = 0;
    osp_cur_skip(&c, 4);
    uint64_t start = osp_cur_u64(&c), size = osp_cur_u64(&c), offset = osp_cur_u64(&c), end;
    const uint8_t *build_id = NULL;
    uint32_t protection = 4;
    if (r->type == RECORD_MMAP2) {
        osp_span id = osp_cur_bytes(&c, 24);
        protection = osp_cur_u32(&c);
        osp_cur_skip(&c, 4);
        if (r->misc & MISC_BUILD_ID && !c.bad && id.p[0] <= OSP_PERF_BUILD_ID_MAX) {
            n = id.p[0];
            build_id = id.p + 4;
        }
    } else if (r->misc & MISC_MMAP_DATA) {
        return true;
    }
    osp_str path = osp_cur_cstr(&c);
    if (c.bad || size == 0 || __builtin_add_overflow(start, size - 1, &end) ||
        (pid != UINT32_MAX && !(protection & 4)))
        return true; /* cut short, empty, or data: nothing runs there */
    end = start + size ? start + size : UINT64_MAX;
    bool kernel = (r->misc & MISC_CPUMODE) == MISC_KERNEL;
    process *p = kernel ? NULL : process_of(s, pid);
    uint32_t file = p && is_anonymous(path) ? compiled_of(s, p) : UINT32_MAX;
    if (file == UINT32_MAX)
        file = dso_of(s, path, build_id, n);
    uint32_t part = file == UINT32_MAX ? file : segment_of(s, file, offset, size);
    if (part == UINT32_MAX)
        return osp_fail_memory(err, "reading mappings");
    map m = {start, end, offset, file, part};
    if (kernel) {
        void *all = s->kernel.map;
        if (s->moves == 0)
            return osp_fail(err, OSP_ELIMIT, "too many mappings of the kernel");
        if (s->kernel.n > 1 << 20 || !osp_grow(&all, &s->kernel.cap, s->kernel.n + 3, sizeof *s->kernel.map))
            return osp_fail_memory(err, "reading mappings");
        s->kernel.map = all;
        put_map(s, &s->kernel, m);
        if (osp_str_starts(path, S("[kernel.kallsyms]")) && path.n > 17)
            s->kernel_start = offset;
        return true;
    }
    map_table *t = p ? own_maps(s, p, 3, err) : NULL;
    if (!t)
        return p ? false : osp_fail_memory(err, "reading mappings");
    put_map(s, t, m);
    p->generation = ++s->generation;
    return true;
}

/* u32 pid, tid; the name. */
static bool take_comm(osp_perf_space *s, const osp_perf_record *r, osp_err *err)
{
    osp_err short_record;
    osp_cur c = osp_cur_on(r->body, "comm", &short_record);
    uint32_t pid = osp_cur_u32(&c), tid = osp_cur_u32(&c);
    osp_str name = osp_cur_cstr(&c);
    if (c.bad)
        return true;
    thread *t = thread_of(s, pid, tid);
    process *p = process_of(s, pid);
    if (!t || !p)
        return osp_fail_memory(err, "reading threads");
    t->name = osp_builder_string(s->names->b, name);
    t->labelled = false;
    if (r->misc & MISC_COMM_EXEC) {
        give_up_maps(s, p->maps);
        p->maps = NULL;
        p->generation = ++s->generation;
    }
    return true;
}

/* u32 pid, parent's pid, tid, parent's tid. */
static bool take_fork(osp_perf_space *s, const osp_perf_record *r, osp_err *err)
{
    osp_err short_record;
    osp_cur c = osp_cur_on(r->body, "fork", &short_record);
    uint32_t pid = osp_cur_u32(&c), parent = osp_cur_u32(&c), tid = osp_cur_u32(&c), parent_tid = osp_cur_u32(&c);
    if (c.bad)
        return true;
    osp_string_id name = {0};
    thread *from = thread_of(s, parent, parent_tid);
    if (from)
        name = from->name;
    thread *t = thread_of(s, pid, tid);
    if (!from || !t)
        return osp_fail_memory(err, "reading threads");
    t->name = name;
    t->labelled = false;
    if (pid == parent)
        return true;
    process *child = process_of(s, pid);
    process *p = process_of(s, parent);
    child = child && p ? process_of(s, pid) : NULL;
    if (!child)
        return osp_fail_memory(err, "reading processes");
    if (p->maps)
        p->maps->users++;
    give_up_maps(s, child->maps);
    child->maps = p->maps;
    child->generation = p->generation;
    return true;
}

bool osp_perf_space_take(osp_perf_space *s, const osp_perf_record *r, osp_err *err)
{
    switch (r->type) {
    case RECORD_MMAP:
    case RECORD_MMAP2:
        return take_mmap(s, r, err);
    case RECORD_COMM:
        return take_comm(s, r, err);
    case RECORD_FORK:
        return take_fork(s, r, err);
    default:
        return true;
    }
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static void hex_of(const dso *d, char out[2 * OSP_PERF_BUILD_ID_MAX + 1])
{
    out[0] = 0;
    for (uint32_t i = 0; i < d->build_id_n; i++)
        snprintf(out + 2 * i, 3, "%02x", d->build_id[i]);
}

/* perf knows an id of 20 bytes; shorter ones are filled up with zeros in old files. */
static bool is_the_one(const dso *d, const osp_object *o)
{
    char hex[2 * OSP_PERF_BUILD_ID_MAX + 1];
    hex_of(d, hex);
    osp_str own = osp_object_build_id(o), want = osp_str_from(hex);
    if (want.n == 0 || own.n == 0)
        return true;
    while (want.n > own.n && want.p[want.n - 1] == '0')
        want.n--;
    return osp_str_starts(own, want) || memchr(own.p, '/', own.n); /* a Go build id is no number */
}

static osp_object *open_at(osp_perf_space *s, const dso *d, const char *path)
{
    osp_err absent; /* then the next place is tried */
    OSP_AUTO_CLOSE int fd = osp_open_regular(path);
    osp_object *o = fd < 0 ? NULL : osp_objects_of_fd(s->objects, fd, path, &absent);
    return o && is_the_one(d, o) ? o : NULL;
}

/* Where perf keeps copies: ~/.debug/.build-id/ab/cdef…/elf. */
static osp_object *open_kept(osp_perf_space *s, const dso *d)
{
    char hex[2 * OSP_PERF_BUILD_ID_MAX + 1], path[512];
    const char *home = getenv("HOME");
    hex_of(d, hex);
    if (!home || d->build_id_n < 2)
        return NULL;
    snprintf(path, sizeof path, "%.300s/.debug/.build-id/%.2s/%s/elf", home, hex, hex + 2);
    return open_at(s, d, path);
}

/* Our own vDSO, if it is the one that was sampled. */
static osp_object *open_vdso(osp_perf_space *s, const dso *d)
{
    const uint8_t *at = (const uint8_t *)(uintptr_t)getauxval(AT_SYSINFO_EHDR); /* NOLINT: an address */
    osp_err absent;
    uint64_t sections;
    uint16_t size, n;
    if (!at || d->build_id_n == 0)
        return NULL;
    memcpy(&sections, at + 40, sizeof sections);
    memcpy(&size, at + 58, sizeof size);
    memcpy(&n, at + 60, sizeof n);
    if (sections > VDSO_BYTES || sections + (uint64_t)size * n > VDSO_BYTES)
        return NULL;
    osp_object *o = osp_objects_of_bytes(s->objects, S("[vdso]"),
                                         (osp_span){at, (size_t)(sections + (uint64_t)size * n)}, &absent);
    return o && is_the_one(d, o) ? o : NULL;
}

static osp_object *object_of(osp_perf_space *s, dso *d)
{
    char path[4097];
    if (d->tried)
        return d->object;
    d->tried = true;
    if (d->compiled)
        return NULL;
    if (osp_str_eq(d->path, S("[vdso]")))
        return d->object = open_vdso(s, d);
    if (d->path.n == 0 || d->path.p[0] != '/' || osp_str_starts(d->path, S("//anon")))
        return NULL;
    s->files++;
    d->object = open_at(s, d, osp_str_z(d->path, path, sizeof path));
    if (!d->object)
        d->object = open_kept(s, d);
    if (!d->object && s->missing++ == 0)
        s->first_missing = d->path;
    return d->object;
}

void osp_perf_missing(const osp_perf_space *s, uint32_t *files, uint32_t *missing, osp_str *first)
{
    *files = s->files;
    *missing = s->missing;
    *first = s->first_missing;
}

/* The segment of a map, with its place in the profile. */
static segment *made_segment(osp_perf_space *s, const map *m)
{
    segment *g = &s->segment[m->segment];
    dso *d = &s->dso[m->dso];
    if (g->made)
        return g;
    char hex[2 * OSP_PERF_BUILD_ID_MAX + 1];
    osp_err unplaced;
    osp_object *o = object_of(s, d);
    hex_of(d, hex);
    osp_str build_id = hex[0] ? osp_str_from(hex) : o ? osp_object_build_id(o) : S("");
    g->made = true;
    g->start = m->start - (m->offset - g->offset);
    if (!o || !osp_object_bias(o, g->start, g->offset, &g->bias, &unplaced))
        d->object = NULL;
    g->id =
        osp_builder_mapping(s->names->b, g->start, g->start + g->size, g->offset, d->path.n ? d->path : S("//anon"),
                            build_id, d->object || d->compiled ? OSP_HAS_ALL : 0);
    return g;
}

/* ---- locations ------------------------------------------------------------------------------------------------ */

static osp_location_id with_frames(osp_perf_space *s, osp_mapping_id mapping, uint64_t addr, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const osp_frame *f = &s->frame[i];
        s->line[i] = (osp_line){osp_builder_function(s->names->b, f->name, f->linker_name, f->file, f->start_line),
                                f->column, f->line};
    }
    return osp_builder_location(s->names->b, mapping, addr, s->line, n);
}

/* This host's kernel symbols, if the samples are of this kernel and since it started. */
static const osp_kallsyms *kernel_names(osp_perf_space *s)
{
    uint8_t own[20];
    osp_err absent;
    osp_str name, module;
    uint64_t start;
    if (s->kallsyms_tried)
        return s->kallsyms;
    s->kallsyms_tried = true;
    size_t n = osp_host_kernel_build_id(own);
    for (size_t i = 0; i < s->f->nbuild_id; i++) {
        const osp_perf_build_id *b = &s->f->build_id[i];
        if (osp_str_starts(b->file, S("[kernel.kallsyms]")) && (n == 0 || b->n < n || memcmp(b->id, own, n) != 0))
            return NULL;
    }
    s->kallsyms = osp_kallsyms_open(&absent);
    if (s->kallsyms && s->kernel_start &&
        !(osp_kallsyms_at(s->kallsyms, s->kernel_start, &name, &module, &start) && start == s->kernel_start)) {
        osp_kallsyms_close(s->kallsyms); /* it was loaded elsewhere then */
        s->kallsyms = NULL;
    }
    return s->kallsyms;
}

static osp_location_id kernel_location(osp_perf_space *s, uint64_t addr)
{
    osp_str name, module = S("");
    uint64_t start;
    const osp_kallsyms *k = kernel_names(s);
    bool named = k && osp_kallsyms_at(k, addr, &name, &module, &start) && name.n;
    if (s->kernel_id.i == 0)
        s->kernel_id = osp_builder_mapping(s->names->b, 0xffff800000000000u, UINT64_MAX, 0, OSP_KERNEL_FILE, S(""),
                                           k ? OSP_HAS_ALL : 0);
    if (named)
        s->frame[0] = (osp_frame){.name = name, .linker_name = name};
    return with_frames(s, s->kernel_id, addr, named);
}

static osp_location_id file_location(osp_perf_space *s, const map *m, uint64_t there)
{
    segment *g = made_segment(s, m);
    const dso *d = &s->dso[m->dso];
    size_t n = d->object ? osp_object_frames(d->object, there - g->bias, s->frame, MOST_FRAMES) : 0;
    if (d->compiled) {
        s->frame[0] = (osp_frame){.name = osp_jit_at(d->compiled, there)};
        n = 1;
    }
    if (n && s->frame[n - 1].name.n == 0)
        n = 0;
    return with_frames(s, g->id, there, n);
}

static place *place_in(place *cell, size_t ncell, uint64_t seed, uint32_t where, uint64_t addr)
{
    size_t at = osp_hash_mix(addr ^ seed, where) & (ncell - 1);
    while (cell[at].where && (cell[at].where != where || cell[at].addr != addr))
        at = (at + 1) & (ncell - 1);
    return &cell[at];
}

/* The place of an address; *fresh: its location is not known yet. NULL without memory. Good until the next one. */
static place *place_of(osp_perf_space *s, uint32_t where, uint64_t addr, bool *fresh)
{
    if (s->nplace * 2 >= s->ncell) {
        size_t ncell = s->ncell ? s->ncell * 2 : 1024;
        place *cell = calloc(ncell, sizeof *cell);
        if (!cell)
            return NULL;
        for (size_t i = 0; i < s->ncell; i++)
            if (s->place[i].where)
                *place_in(cell, ncell, s->seed, s->place[i].where, s->place[i].addr) = s->place[i];
        free(s->place);
        s->place = cell;
        s->ncell = ncell;
    }
    place *at = place_in(s->place, s->ncell, s->seed, where, addr);
    *fresh = !at->where;
    if (*fresh) {
        *at = (place){.addr = addr, .where = where};
        s->nplace++;
    }
    return at;
}

/* Names cost much more than a look here: processes and their changing mappings share them. */
static osp_location_id location_of(osp_perf_space *s, const map *m, uint64_t addr, bool kernel)
{
    uint32_t where = kernel ? IN_KERNEL : m ? m->segment + FIRST_SEGMENT : IN_NOTHING;
    if (m) { /* a map cut short by a later one keeps its part of the file in step */
        const segment *g = made_segment(s, m);
        addr = addr - m->start + (m->offset - g->offset) + g->start;
    }
    bool fresh;
    place *at = place_of(s, where, addr, &fresh);
    if (!at) {
        s->names->failed = true;
        return (osp_location_id){0};
    }
    if (fresh)
        at->at = kernel ? kernel_location(s, addr)
                 : m    ? file_location(s, m, addr)
                        : osp_builder_location(s->names->b, (osp_mapping_id){0}, addr, NULL, 0);
    return at->at;
}

void osp_perf_push(osp_perf_space *s, uint32_t pid, const uint64_t *addr, size_t n, size_t nkernel)
{
    const process *p = n > nkernel ? process_of(s, pid) : NULL;
    const map *m = NULL;
    for (size_t i = 0; i < n; i++) {
        if (i >= nkernel && (!m || addr[i] < m->start || addr[i] >= m->end))
            m = p ? map_at(p->maps, addr[i]) : NULL;
        osp_names_push(s->names, location_of(s, m, addr[i], i < nkernel));
    }
}

bool osp_perf_main_binary(osp_perf_space *s, uint32_t pid)
{
    const process *p = process_of(s, pid);
    if (!p || !p->maps || p->maps->n == 0)
        return false;
    made_segment(s, &p->maps->map[0]);
    return true;
}

/* ---- copied stacks -------------------------------------------------------------------------------------------- */

typedef struct {
    osp_perf_space *s;
    const map_table *maps;
    const map *last; /* most callers are in the file of what they call */
    uint64_t sp;
    osp_span stack;
} copied;

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
    const copied *c = ctx;
    if (addr < c->sp || addr - c->sp >= c->stack.n || c->stack.n - (addr - c->sp) < sizeof *word)
        return false;
    memcpy(word, c->stack.p + (addr - c->sp), sizeof *word);
    return true;
}

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    copied *c = ctx;
    if (!c->last || addr < c->last->start || addr >= c->last->end)
        c->last = map_at(c->maps, addr);
    const map *m = c->last;
    osp_err unreadable; /* no rows: then frame pointers */
    if (!m)
        return false;
    segment *g = made_segment(c->s, m);
    osp_object *o = c->s->dso[m->dso].object;
    if (!g->rows_tried) {
        g->rows_tried = true;
        if (!o || !osp_object_rows(o, &g->rows, &unreadable))
            g->rows = (osp_rows){0};
        g->base = g->bias + g->rows.base;
    }
    uint64_t pc = addr - m->start + (m->offset - g->offset) + g->start - g->base;
    *rule = g->rows.n == 0 || pc >> 32 ? OSP_RULE_NONE : osp_rows_find(g->rows.row, g->rows.n, (uint32_t)pc);
    return true;
}

size_t osp_perf_unwind(osp_perf_space *s, uint32_t pid, const osp_unwind_regs *regs, osp_span stack, uint64_t *pc,
                       size_t max, bool *complete)
{
    process *p = process_of(s, pid);
    copied c = {s, p ? p->maps : NULL, NULL, regs->sp, stack};
    const osp_unwind_env env = {&c, read_word, rule_at};
    const osp_unwind_go no_go = {.g_goid = -1, .g_labels = -1};
    uint64_t curg, m;
    uint32_t steps = 0;
    size_t n = 0;
    int end = osp_unwind_walk(&env, &no_go, regs, 0, pc, max, &n, &curg, &m, &steps);
    *complete = end == OSP_UNWIND_ROOT;
    return n;
}
