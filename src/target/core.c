/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF core file: elf(5), and what Linux puts into it (fs/binfmt_elf.c; gcore writes the same).
 *
 *     ELF header         e_type ET_CORE; e_phnum, or PN_XNUM (65,535): then sh_info of section header 0 is the number
 *     program headers    PT_NOTE: the notes; PT_LOAD: one a mapping, its memory p_filesz bytes at p_offset,
 *                        the rest up to p_memsz is not in the file
 *     notes              namesz descsz type (4 bytes each), name, desc, each padded to 4 bytes
 *
 *     CORE  NT_PRSTATUS  a thread: signal, tid, general registers; the notes of this thread follow
 *           NT_PRPSINFO  the process: state, uid, pid, comm, arguments
 *           NT_SIGINFO   the signal that ended it, and the address that it was about
 *           NT_AUXV      the auxiliary vector
 *           NT_FILE      count, page size; (start, end, offset in pages) of each mapping of a file; their paths
 *     LINUX NT_ARM_TLS   tpidr_el0 of the thread (aarch64)
 *
 * Not read: floating point and vector registers. Nothing in the file is believed: lengths are cut to the file and to the
 * address space, of memory that two segments claim the first has it, numbers of things are bounded. */
#include "target/target_internal.h"

#include "base/buf.h"
#include "base/cur.h"
#include "base/file.h"
#include "base/hash.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENTS_MOST = 2 << 20,
    AT_ONCE = 64, /* program headers */
    NOTES_MOST = 4 << 20,
    FILE_NOTE_MOST = 64 << 20,
    AUXV_MOST = 4096,
    THREADS_MOST = 1 << 20,
    STATUS_HEAD = 112, /* of NT_PRSTATUS: what stands before the registers, on both machines */
    STATUS_TID = 32,
    STATUS_SIGNAL = 12,
    REGS_X86_64 = 27,
    REGS_AARCH64 = 34,
    SMALL_DESC = 512, /* of the notes that are read whole */
};

static uint64_t le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static bool no_memory(osp_err *err) { return osp_fail_memory(err, "reading a core"); }

/* ---- program headers ------------------------------------------------------------------------------------------ */

/* A list that grows outside the arena. */
typedef struct {
    void *row;
    size_t cap, n;
} list;

static void *add(list *l, size_t size)
{
    if (!osp_grow(&l->row, &l->cap, l->n + 1, size))
        return NULL;
    return (char *)l->row + size * l->n++;
}

typedef struct {
    osp_core *core;
    list segment;               /* osp_core_segment */
    list note;                  /* range: of the file */
    list mapped;                /* osp_map: what NT_FILE says */
    list map;                   /* osp_map: what is */
    list thread;                /* osp_image_thread */
    uint64_t phdr, entry, vdso; /* of the auxiliary vector */
    uint64_t notes_seen;
    osp_err *err;
} parser;

typedef struct {
    uint64_t offset, n;
} range;

/* How much of [offset, offset + n) the file has; what is missing is counted. */
static uint64_t in_file(osp_core *c, uint64_t offset, uint64_t n)
{
    uint64_t have = offset < c->size ? c->size - offset : 0;
    have = have < n ? have : n;
    uint64_t missing = n - have, sum;
    c->facts.missing_bytes = __builtin_add_overflow(c->facts.missing_bytes, missing, &sum) ? UINT64_MAX : sum;
    return have;
}

static bool add_segment(parser *p, const Elf64_Phdr *h)
{
    osp_core *c = p->core;
    uint64_t end;
    if (h->p_memsz == 0)
        return true;
    if (__builtin_add_overflow(h->p_vaddr, h->p_memsz, &end)) {
        c->facts.odd++;
        end = UINT64_MAX;
    }
    osp_core_segment *s = add(&p->segment, sizeof *s);
    if (!s)
        return no_memory(p->err);
    uint64_t size = end - h->p_vaddr, held = h->p_filesz < size ? h->p_filesz : size;
    *s = (osp_core_segment){.start = h->p_vaddr,
                            .end = end,
                            .offset = h->p_offset,
                            .have = in_file(c, h->p_offset, held),
                            .flags = h->p_flags};
    return true;
}

static int by_start(const void *a, const void *b)
{
    uint64_t x, y; /* the first member of what is sorted */
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Sort; of memory that two claim the one that begins first has it. */
static void settle_segments(parser *p)
{
    osp_core_segment *s = p->segment.row;
    size_t n = 0;
    if (p->segment.n)
        qsort(s, p->segment.n, sizeof *s, by_start);
    for (size_t i = 0; i < p->segment.n; i++) {
        osp_core_segment one = s[i];
        if (n && one.start < s[n - 1].end) {
            uint64_t cut = s[n - 1].end - one.start;
            p->core->facts.odd++;
            if (s[n - 1].end >= one.end)
                continue;
            one.start += cut;
            one.offset += cut;
            one.have = one.have > cut ? one.have - cut : 0;
        }
        s[n++] = one;
    }
    p->segment.n = n;
}

static bool add_header(parser *p, const Elf64_Phdr *h)
{
    if (h->p_type == PT_LOAD)
        return add_segment(p, h);
    if (h->p_type != PT_NOTE)
        return true;
    range *note = add(&p->note, sizeof *note);
    if (!note)
        return no_memory(p->err);
    *note = (range){h->p_offset, in_file(p->core, h->p_offset, h->p_filesz)};
    return true;
}

static bool read_segments(parser *p, const Elf64_Ehdr *e)
{
    osp_core *c = p->core;
    uint64_t n = e->e_phnum;
    if (n == PN_XNUM) {
        Elf64_Shdr first;
        if (osp_core_pread(c, e->e_shoff, &first, sizeof first) != sizeof first)
            return osp_fail(p->err, OSP_EFORMAT, "%.*s was cut short: the number of its segments is not in it",
                            STRF(osp_str_base(c->path)));
        n = first.sh_info;
    }
    if (e->e_phentsize != sizeof(Elf64_Phdr))
        return osp_fail(p->err, OSP_EFORMAT, "%.*s: program headers of %u bytes are not known",
                        STRF(osp_str_base(c->path)), e->e_phentsize);
    if (n > SEGMENTS_MOST)
        return osp_fail(p->err, OSP_ELIMIT, "%.*s: %llu segments are too many", STRF(osp_str_base(c->path)),
                        (unsigned long long)n);
    uint64_t have = in_file(c, e->e_phoff, n * sizeof(Elf64_Phdr)) / sizeof(Elf64_Phdr);
    for (uint64_t i = 0; i < have; i += AT_ONCE) {
        Elf64_Phdr h[AT_ONCE];
        size_t k = have - i < AT_ONCE ? (size_t)(have - i) : AT_ONCE;
        k = osp_core_pread(c, e->e_phoff + i * sizeof *h, h, k * sizeof *h) / sizeof *h;
        for (size_t j = 0; j < k; j++)
            if (!add_header(p, &h[j]))
                return false;
    }
    settle_segments(p);
    return true;
}

/* ---- notes ---------------------------------------------------------------------------------------------------- */

static osp_regs regs_x86_64(const uint8_t *p)
{
    /* struct user_regs_struct: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss
     * fs_base … */
    static const uint8_t at[] = {10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0};
    osp_regs r = {.pc = le(p + 8 * 16, 8), .tls = le(p + 8 * 21, 8), .syscall = le(p + 8 * 15, 8)};
    for (size_t i = 0; i < sizeof at; i++)
        r.r[i] = le(p + 8 * (size_t)at[i], 8);
    return r;
}

static osp_regs regs_aarch64(const uint8_t *p)
{
    osp_regs r = {.pc = le(p + 8 * 32, 8), .syscall = UINT64_MAX};
    for (size_t i = 0; i < 32; i++)
        r.r[i] = le(p + 8 * i, 8);
    return r;
}

static bool take_status(parser *p, const uint8_t *desc, size_t n)
{
    bool aarch64 = p->core->facts.machine == EM_AARCH64;
    if (n < STATUS_HEAD + 8 * (size_t)(aarch64 ? REGS_AARCH64 : REGS_X86_64) || p->thread.n == THREADS_MOST) {
        p->core->facts.odd++;
        return true;
    }
    osp_image_thread *t = add(&p->thread, sizeof *t);
    if (!t)
        return no_memory(p->err);
    int tid = (int)le(desc + STATUS_TID, 4);
    *t = (osp_image_thread){.tid = tid, .ns_tid = tid, .has_regs = true, .signal = (int)le(desc + STATUS_SIGNAL, 2)};
    t->regs = (aarch64 ? regs_aarch64 : regs_x86_64)(desc + STATUS_HEAD);
    return true;
}

/* Text that ends at its NUL, at the latest after n bytes. */
static osp_str text_of(osp_core *c, const uint8_t *p, size_t n)
{
    return osp_arena_str(&c->arena, osp_str_trim((osp_str){(const char *)p, strnlen((const char *)p, n)}));
}

static bool take_process(parser *p, const uint8_t *desc, size_t n)
{
    osp_core_facts *f = &p->core->facts;
    if (n < 136) {
        f->odd++;
        return true;
    }
    f->uid = (uint32_t)le(desc + 16, 4);
    f->pid = (int)le(desc + 24, 4);
    f->parent = (int)le(desc + 28, 4);
    f->name = text_of(p->core, desc + 40, 16);
    f->args = text_of(p->core, desc + 56, 80);
    return (f->name.p && f->args.p) || no_memory(p->err);
}

static void take_signal(parser *p, const uint8_t *desc, size_t n)
{
    osp_core_facts *f = &p->core->facts;
    /* gcore writes one a thread, of its own SIGSTOP */
    if (n < 24 || f->signal || p->thread.n != 1 || (int)le(desc, 4) != ((osp_image_thread *)p->thread.row)->signal)
        return;
    f->signal = (int)le(desc, 4);
    f->signal_code = (int)le(desc + 8, 4);
    if (f->signal == SIGSEGV || f->signal == SIGBUS || f->signal == SIGILL || f->signal == SIGFPE ||
        f->signal == SIGTRAP)
        f->fault_addr = le(desc + 16, 8);
}

static void take_auxv(parser *p, uint64_t at, uint64_t n)
{
    uint8_t v[AUXV_MOST];
    size_t got = osp_core_pread(p->core, at, v, n < sizeof v ? (size_t)n : sizeof v);
    for (size_t i = 0; i + 16 <= got; i += 16) {
        uint64_t key = le(v + i, 8), value = le(v + i + 8, 8);
        if (key == AT_PHDR)
            p->phdr = value;
        if (key == AT_ENTRY)
            p->entry = value;
        if (key == AT_SYSINFO_EHDR)
            p->vdso = value;
    }
}

/* The number of a path, from 1. */
static bool number_of_file(parser *p, osp_intern *known, osp_str path, uint64_t *number)
{
    uint32_t id = osp_intern_put(known, path, NULL);
    *number = (uint64_t)id + 1;
    return id != UINT32_MAX || no_memory(p->err);
}

/* The desc of NT_FILE, whole and in the arena. */
static bool take_files(parser *p, osp_span desc, osp_intern *known)
{
    osp_err bad = {0};
    osp_cur c = osp_cur_on(desc, "NT_FILE", &bad);
    uint64_t n = osp_cur_u64(&c), page = osp_cur_u64(&c);
    if (c.bad || n > osp_cur_left(&c) / 25) { /* three words and an empty path each */
        p->core->facts.odd++;
        return true;
    }
    osp_cur path = c;
    osp_cur_skip(&path, (size_t)n * 24);
    for (uint64_t i = 0; i < n; i++) {
        osp_map m = {.read = true, .exec = true}; /* where no segment says it */
        m.start = osp_cur_u64(&c);
        m.end = osp_cur_u64(&c);
        uint64_t pages = osp_cur_u64(&c);
        osp_str tail = S(" (deleted)"), text = osp_cur_cstr(&path);
        m.deleted = osp_str_ends(text, tail);
        m.path = m.deleted ? osp_str_head(text, text.n - tail.n) : text;
        if (path.bad || m.end <= m.start || __builtin_mul_overflow(pages, page, &m.offset)) {
            p->core->facts.odd++;
            if (path.bad)
                break;
            continue;
        }
        osp_map *row = add(&p->mapped, sizeof *row);
        if (!row || !number_of_file(p, known, m.path, &m.inode))
            return no_memory(p->err);
        *row = m;
    }
    return true;
}

static bool read_files(parser *p, uint64_t at, uint64_t n, osp_intern *known)
{
    if (n > FILE_NOTE_MOST || p->mapped.n) {
        p->core->facts.odd++;
        return true;
    }
    uint8_t *desc = osp_new(&p->core->arena, uint8_t, (size_t)n);
    if (!desc)
        return no_memory(p->err);
    return take_files(p, (osp_span){desc, osp_core_pread(p->core, at, desc, (size_t)n)}, known);
}

static bool take_note(parser *p, bool linux_own, uint32_t type, uint64_t at, uint64_t n, osp_intern *known)
{
    uint8_t desc[SMALL_DESC] = {0};
    if (!linux_own && type == NT_FILE)
        return read_files(p, at, n, known);
    if (!linux_own && type == NT_AUXV) {
        take_auxv(p, at, n);
        return true;
    }
    bool wanted = linux_own ? type == NT_ARM_TLS : type == NT_PRSTATUS || type == NT_PRPSINFO || type == NT_SIGINFO;
    if (!wanted)
        return true;
    size_t got = osp_core_pread(p->core, at, desc, n < sizeof desc ? (size_t)n : sizeof desc);
    osp_image_thread *last = p->thread.n ? (osp_image_thread *)p->thread.row + p->thread.n - 1 : NULL;
    if (linux_own) {
        if (last && got >= 8 && p->core->facts.machine == EM_AARCH64)
            last->regs.tls = le(desc, 8);
        return true;
    }
    if (type == NT_PRSTATUS)
        return take_status(p, desc, got);
    if (type == NT_PRPSINFO)
        return take_process(p, desc, got);
    take_signal(p, desc, got);
    return true;
}

static uint64_t padded(uint64_t n) { return (n + 3) / 4 * 4; }

static bool read_notes(parser *p, range r, osp_intern *known)
{
    uint64_t at = 0;
    while (r.n - at >= sizeof(Elf64_Nhdr)) {
        struct {
            Elf64_Nhdr h;
            char name[8];
        } head = {0};
        size_t got = osp_core_pread(p->core, r.offset + at, &head, sizeof head);
        uint64_t name = padded(head.h.n_namesz), desc = head.h.n_descsz;
        if (got < sizeof head.h || r.n - at - sizeof head.h < name ||
            r.n - at - sizeof head.h - name < desc) { /* the rest of it was cut off, or it is no note */
            p->core->facts.odd++;
            return true;
        }
        if (++p->notes_seen > NOTES_MOST)
            return osp_fail(p->err, OSP_ELIMIT, "%.*s: more than %d notes are too many",
                            STRF(osp_str_base(p->core->path)), NOTES_MOST);
        bool core = head.h.n_namesz == 5 && memcmp(head.name, "CORE", 5) == 0;
        bool linux_own = head.h.n_namesz == 6 && memcmp(head.name, "LINUX", 6) == 0;
        uint64_t body = at + sizeof head.h + name;
        if ((core || linux_own) && !take_note(p, linux_own, head.h.n_type, r.offset + body, desc, known))
            return false;
        at = r.n - body < padded(desc) ? r.n : body + padded(desc);
    }
    return true;
}

/* ---- mappings -------------------------------------------------------------------------------------------------- */

static bool add_map(parser *p, uint64_t start, uint64_t end, const osp_core_segment *s, const osp_map *file)
{
    osp_map *m = add(&p->map, sizeof *m);
    if (!m)
        return no_memory(p->err);
    *m = file ? *file : (osp_map){.path = S("")};
    m->start = start;
    m->end = end;
    if (file)
        m->offset = file->offset + (start - file->start);
    if (s) {
        m->read = s->flags & PF_R;
        m->write = s->flags & PF_W;
        m->exec = s->flags & PF_X;
    }
    if (!file && start == p->vdso)
        m->path = S("[vdso]");
    return true;
}

/* Sorted, without those that lie over an earlier one. */
static void settle_mapped(parser *p)
{
    osp_map *m = p->mapped.row;
    size_t n = 0;
    if (p->mapped.n)
        qsort(m, p->mapped.n, sizeof *m, by_start);
    for (size_t i = 0; i < p->mapped.n; i++) {
        if (n && m[i].start < m[n - 1].end)
            p->core->facts.odd++;
        else
            m[n++] = m[i];
    }
    p->mapped.n = n;
}

/* Segments say what memory there was, NT_FILE of which files it was. Mostly one of the one is one of the other; what only one
 * of them knows is a mapping, too. */
static bool make_maps(parser *p)
{
    const osp_core_segment *s = p->segment.row, *s_end = s + p->segment.n;
    const osp_map *f = p->mapped.row, *f_end = f + p->mapped.n;
    uint64_t at = 0;
    for (;;) {
        while (s != s_end && s->end <= at)
            s++;
        while (f != f_end && f->end <= at)
            f++;
        uint64_t s_at = s == s_end ? UINT64_MAX : s->start > at ? s->start : at;
        uint64_t f_at = f == f_end ? UINT64_MAX : f->start > at ? f->start : at;
        if (s == s_end && f == f_end)
            return true;
        at = s_at < f_at ? s_at : f_at;
        bool in_s = s != s_end && s_at == at, in_f = f != f_end && f_at == at;
        uint64_t end = in_s ? s->end : UINT64_MAX;
        if (in_f && f->end < end)
            end = f->end;
        if (!in_s && s != s_end && s->start < end)
            end = s->start;
        if (!in_f && f != f_end && f->start < end)
            end = f->start;
        if (!add_map(p, at, end, in_s ? s : NULL, in_f ? f : NULL))
            return false;
        at = end;
    }
}

/* What was mapped, could be read, is not in the core, and is in no file as it was. */
static void count_left_out(parser *p)
{
    osp_core_facts *f = &p->core->facts;
    const osp_core_segment *s = p->segment.row;
    const osp_map *m = p->map.row, *end = m + p->map.n;
    uint64_t sum = 0;
    for (size_t i = 0; i < p->segment.n; i++) {
        while (m != end && m->end <= s[i].start)
            m++;
        if (s[i].flags & PF_R && m != end && (m->inode == 0 || m->write))
            sum += s[i].end - s[i].start - s[i].have;
    }
    f->left_out_bytes = sum > f->missing_bytes ? sum - f->missing_bytes : 0;
}

static osp_str file_at(const parser *p, uint64_t addr)
{
    const osp_map *m = p->map.row;
    for (size_t i = 0; addr && i < p->map.n; i++)
        if (m[i].start <= addr && addr < m[i].end)
            return m[i].path;
    return S("");
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

/* Hand what was read over to the core: arrays stay on the heap, osp_core_close frees them. */
static bool hand_over(parser *p, const osp_intern *known)
{
    osp_core *c = p->core;
    c->exe = file_at(p, p->phdr);
    if (!c->exe.n)
        c->exe = file_at(p, p->entry);
    c->segment = p->segment.row;
    c->nsegment = (uint32_t)p->segment.n;
    c->map = p->map.row;
    c->nmap = (uint32_t)p->map.n;
    c->thread = p->thread.row;
    c->nthread = (uint32_t)p->thread.n;
    p->segment = p->map = p->thread = (list){0};
    c->file = osp_new(&c->arena, osp_core_file, known->n);
    if (!c->file)
        return no_memory(p->err);
    for (uint32_t i = 0; i < known->n; i++)
        c->file[i] = (osp_core_file){.path = known->text[i], .fd = -1};
    c->nfile = known->n;
    return true;
}

static bool parse(osp_core *c, const Elf64_Ehdr *e, osp_err *err)
{
    parser p = {.core = c, .err = err};
    osp_intern known = {0};
    bool ok = read_segments(&p, e);
    for (size_t i = 0; ok && i < p.note.n; i++)
        ok = read_notes(&p, ((range *)p.note.row)[i], &known);
    if (ok) {
        settle_mapped(&p);
        ok = make_maps(&p);
    }
    if (ok && p.map.n == 0)
        ok = osp_fail(err, OSP_EFORMAT, "%.*s holds no memory of any process", STRF(osp_str_base(c->path)));
    if (ok) {
        count_left_out(&p);
        if (!c->facts.signal && p.thread.n)
            c->facts.signal = ((osp_image_thread *)p.thread.row)->signal;
        ok = hand_over(&p, &known);
    }
    free(p.segment.row);
    free(p.note.row);
    free(p.mapped.row);
    free(p.map.row);
    free(p.thread.row);
    osp_intern_drop(&known);
    return ok;
}

/* Is this the head of a core we can read? What it is else, and what can be done about it. */
static bool check_head(const char *path, const Elf64_Ehdr *e, size_t n, osp_err *err)
{
    static const struct {
        const char *magic, *name, *tool;
        size_t n;
    } packed[] = {{"\x28\xb5\x2f\xfd", "zstd", "zstd -d", 4},
                  {"\x1f\x8b", "gzip", "gunzip", 2},
                  {"\xfd"
                   "7zXZ",
                   "xz", "unxz", 5},
                  {"\x04\x22\x4d\x18", "lz4", "unlz4", 4}};
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        if (n >= packed[i].n && memcmp(e, packed[i].magic, packed[i].n) == 0)
            return osp_fail(err, OSP_EUSAGE, "%s is packed by %s: unpack it with %s, then give that file", path,
                            packed[i].name, packed[i].tool);
    if (n < sizeof *e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0)
        return osp_fail(err, OSP_EUSAGE, "%s is neither a core file nor a pid", path);
    if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB)
        return osp_fail(err, OSP_EUSAGE, "%s: osprey knows ELF files of 64-bit little-endian machines only", path);
    if (e->e_type != ET_CORE)
        return osp_fail(err, OSP_EUSAGE, "%s is %s, not a core file", path,
                        e->e_type == ET_REL ? "an object file" : "a program or a library");
    if (e->e_machine != EM_X86_64 && e->e_machine != EM_AARCH64)
        return osp_fail(err, OSP_EUSAGE, "%s is a core of another machine than x86-64 and aarch64 (ELF machine %u)",
                        path, e->e_machine);
    return true;
}

bool osp_core_is(const char *path)
{
    Elf64_Ehdr e;
    OSP_AUTO_CLOSE int fd = osp_open_regular(path);
    return fd >= 0 && read(fd, &e, sizeof e) == (ssize_t)sizeof e && memcmp(e.e_ident, ELFMAG, SELFMAG) == 0 &&
           e.e_ident[EI_DATA] == ELFDATA2LSB && e.e_type == ET_CORE;
}

static bool open_file(osp_core *c, const char *path, const osp_core_opts *opts, osp_err *err)
{
    struct stat st;
    Elf64_Ehdr e = {0};
    c->fd = osp_open_regular(path);
    if (c->fd < 0 || fstat(c->fd, &st) != 0)
        return osp_fail_errno(err, errno, "cannot open %s", path);
    c->size = (uint64_t)st.st_size;
    c->facts.written = st.st_mtime;
    c->path = osp_arena_str(&c->arena, osp_str_from(path));
    c->root = osp_arena_str(&c->arena, opts && opts->root ? osp_str_from(opts->root) : S(""));
    c->exe_path = osp_arena_str(&c->arena, opts && opts->exe ? osp_str_from(opts->exe) : S(""));
    while (c->root.n && c->root.p[c->root.n - 1] == '/')
        c->root.n--;
    c->facts.name = c->facts.args = S("");
    if (!c->path.p || !c->root.p || !c->exe_path.p)
        return no_memory(err);
    if (!check_head(path, &e, osp_core_pread(c, 0, &e, sizeof e), err))
        return false;
    c->facts.machine = e.e_machine;
    return parse(c, &e, err);
}

osp_core *osp_core_open(const char *path, const osp_core_opts *opts, osp_err *err)
{
    osp_core *c = calloc(1, sizeof *c);
    if (!c) {
        no_memory(err);
        return NULL;
    }
    c->fd = -1;
    osp_arena_init(&c->arena, 512u << 20);
    if (!open_file(c, path, opts, err)) {
        osp_core_close(c);
        return NULL;
    }
    return c;
}

void osp_core_close(osp_core *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->nfile; i++)
        osp_close_fd(&c->file[i].fd);
    osp_close_fd(&c->fd);
    free(c->segment);
    free(c->map);
    free(c->thread);
    osp_arena_drop(&c->arena);
    free(c);
}

const osp_core_facts *osp_core_facts_of(const osp_core *c) { return &c->facts; }

static bool copy_threads(void *core, osp_arena *a, osp_image_thread **out, uint32_t *n, osp_err *err)
{
    const osp_core *c = core;
    *n = c->nthread;
    *out = osp_new(a, osp_image_thread, c->nthread);
    if (!*out)
        return no_memory(err);
    if (c->nthread)
        memcpy(*out, c->thread, c->nthread * sizeof **out);
    return true;
}

static bool stays(void *core)
{
    (void)core;
    return true;
}

osp_image osp_core_image(osp_core *c)
{
    return (osp_image){
        .mem = {.ctx = c, .read = osp_core_read},
        .map = c->map,
        .nmap = c->nmap,
        .name = osp_str_base(c->path),
        .exe = c->exe,
        .pid = c->facts.pid,
        .ns_pid = c->facts.pid,
        .ctx = c,
        .open_map = osp_core_open_map,
        .threads = copy_threads,
        .alive = stays,
        .still = true,
        .core = c,
    };
}
