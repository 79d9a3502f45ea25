/* SPDX-License-Identifier: Apache-2.0 */
/* Core files, made here: whole ones, cut ones, and ones full of lies. */
#include "target/target_internal.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h> // must follow setjmp.h and stdarg.h

/* ---- making one ----------------------------------------------------------------------------------------------- */

enum { MEMORY_AT = 0x1000, PAGE = 4096, HEADERS = 16 };

/* The file: ELF header and room for program headers, notes, memory from MEMORY_AT on. */
typedef struct {
    Elf64_Ehdr head;
    Elf64_Phdr phdr[HEADERS];
    osp_buf note, memory;
    char path[64];
    int fd;
} made;

static void begin(made *m, uint16_t machine)
{
    *m = (made){.fd = -1, .note = osp_buf_of(64 << 20), .memory = osp_buf_of(64 << 20)};
    memcpy(m->head.e_ident, "\177ELF\2\1\1", 7);
    m->head.e_type = ET_CORE;
    m->head.e_machine = machine;
    m->head.e_phoff = sizeof m->head;
    m->head.e_phentsize = sizeof(Elf64_Phdr);
    m->head.e_phnum = 1; /* the notes */
}

static void add_note(made *m, const char *name, uint32_t type, const void *desc, size_t n)
{
    const Elf64_Nhdr h = {(uint32_t)strlen(name) + 1, (uint32_t)n, type};
    osp_buf_add(&m->note, (osp_str){(const char *)&h, sizeof h});
    osp_buf_add(&m->note, (osp_str){name, h.n_namesz});
    osp_buf_fill(&m->note, 0, (4 - h.n_namesz % 4) % 4);
    osp_buf_add(&m->note, (osp_str){desc, n});
    osp_buf_fill(&m->note, 0, (4 - n % 4) % 4);
}

/* Memory of which `held` bytes, each of them `fill`, are in the file. */
static Elf64_Phdr *add_memory(made *m, uint64_t addr, uint64_t size, size_t held, char fill, uint32_t flags)
{
    Elf64_Phdr *h = &m->phdr[m->head.e_phnum++];
    *h = (Elf64_Phdr){.p_type = PT_LOAD,
                      .p_flags = flags,
                      .p_vaddr = addr,
                      .p_memsz = size,
                      .p_filesz = held,
                      .p_offset = MEMORY_AT + m->memory.n};
    osp_buf_fill(&m->memory, fill, held);
    return h;
}

static void add_thread(made *m, int tid, uint16_t signo)
{
    uint8_t desc[392] = {0};
    bool aarch64 = m->head.e_machine == EM_AARCH64;
    memcpy(desc + 12, &signo, sizeof signo);
    memcpy(desc + 32, &tid, sizeof tid);
    for (uint64_t i = 0; i < 34; i++) {
        uint64_t v = 1000 * (uint64_t)tid + i;
        memcpy(desc + 112 + 8 * i, &v, sizeof v);
    }
    add_note(m, "CORE", NT_PRSTATUS, desc, aarch64 ? 392 : 336);
}

typedef struct {
    uint64_t start, end, pages;
    const char *path;
} mapped;

static void add_files(made *m, const mapped *f, uint64_t n)
{
    osp_buf b = osp_buf_of(1 << 20);
    const uint64_t head[] = {n, PAGE};
    osp_buf_add(&b, (osp_str){(const char *)head, sizeof head});
    for (uint64_t i = 0; i < n; i++)
        osp_buf_add(&b, (osp_str){(const char *)&f[i], 24});
    for (uint64_t i = 0; i < n; i++)
        osp_buf_add(&b, (osp_str){f[i].path, strlen(f[i].path) + 1});
    add_note(m, "CORE", NT_FILE, b.p, b.n);
    osp_buf_drop(&b);
}

static void put(int fd, uint64_t at, const void *p, size_t n)
{
    if (n)
        assert_int_equal(pwrite(fd, p, n, (off_t)at), n);
}

/* Write it; the notes stand behind the memory. */
static const char *finish(made *m)
{
    m->fd = memfd_create("core", MFD_CLOEXEC);
    m->phdr[0] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = MEMORY_AT + m->memory.n, .p_filesz = m->note.n};
    put(m->fd, 0, &m->head, sizeof m->head);
    put(m->fd, m->head.e_phoff, m->phdr, sizeof m->phdr);
    put(m->fd, MEMORY_AT, m->memory.p, m->memory.n);
    put(m->fd, MEMORY_AT + m->memory.n, m->note.p, m->note.n);
    snprintf(m->path, sizeof m->path, "/proc/self/fd/%d", m->fd);
    return m->path;
}

static void end(made *m)
{
    osp_buf_drop(&m->note);
    osp_buf_drop(&m->memory);
    close(m->fd);
}

static osp_core *opened(const char *path, const osp_core_opts *opts)
{
    osp_err err = {0};
    osp_core *c = osp_core_open(path, opts, &err);
    if (!c)
        fail_msg("%s", err.msg);
    return c;
}

/* The byte at addr; -1 if there is none. */
static int byte_at(const osp_image *im, uint64_t addr)
{
    uint8_t b;
    osp_err err = {0};
    if (im->mem.read(im->mem.ctx, addr, &b, 1, &err))
        return b;
    assert_int_equal(err.code, OSP_EABSENT);
    return -1;
}

/* ---- what is in one -------------------------------------------------------------------------------------------- */

static void memory_is_read_as_far_as_it_is_in_the_core(void **state)
{
    (void)state;
    made m;
    begin(&m, EM_X86_64);
    add_memory(&m, 0x20000, 0x1000, 0x1000, 'b', PF_R | PF_W); /* not in the order of addresses */
    add_memory(&m, 0x10000, 0x1000, 0x1000, 'a', PF_R | PF_W);
    add_memory(&m, 0x11000, 0x2000, 0x1000, 'c', PF_R | PF_W);
    osp_core *c = opened(finish(&m), NULL);
    osp_image im = osp_core_image(c);
    char two[2];
    osp_err err = {0};
    assert_true(im.mem.read(im.mem.ctx, 0x10fff, two, 2, &err)); /* across two segments */
    assert_memory_equal(two, "ac", 2);
    assert_int_equal(byte_at(&im, 0x20fff), 'b');
    assert_int_equal(byte_at(&im, 0x21000), -1);
    assert_int_equal(byte_at(&im, 0x11fff), 'c');
    assert_int_equal(byte_at(&im, 0x12000), -1); /* was mapped, is not in the core */
    assert_int_equal(byte_at(&im, 0xffff), -1);
    assert_false(im.mem.read(im.mem.ctx, 0x11fff, two, 2, &err));
    assert_false(im.mem.read(im.mem.ctx, UINT64_MAX, two, 2, &err));
    assert_int_equal(im.nmap, 3);
    assert_int_equal(im.map[0].start, 0x10000);
    assert_int_equal(im.map[2].start, 0x20000);
    assert_int_equal(osp_core_facts_of(c)->left_out_bytes, 0x1000);
    assert_int_equal(osp_core_facts_of(c)->missing_bytes, 0);
    assert_int_equal(osp_core_facts_of(c)->odd, 0);
    osp_core_close(c);
    end(&m);
}

static void threads_of(const osp_core *c, osp_arena *a, osp_image_thread **thread, uint32_t *n)
{
    osp_err err = {0};
    osp_image im = osp_core_image((osp_core *)(uintptr_t)c);
    osp_arena_init(a, 1 << 20);
    assert_true(im.threads(im.ctx, a, thread, n, &err));
}

static void registers_have_the_numbers_of_dwarf(void **state)
{
    (void)state;
    made m;
    begin(&m, EM_X86_64);
    add_memory(&m, 0x10000, 0x1000, 0x1000, 'a', PF_R);
    add_thread(&m, 7, SIGSEGV);
    add_thread(&m, 3, 0);
    osp_core *c = opened(finish(&m), NULL);
    osp_arena a;
    osp_image_thread *t;
    uint32_t n;
    threads_of(c, &a, &t, &n);
    assert_int_equal(n, 2);
    assert_int_equal(t[0].tid, 7);
    assert_int_equal(t[0].signal, SIGSEGV);
    assert_int_equal(t[1].tid, 3);
    assert_true(t[1].has_regs);
    assert_int_equal(t[1].regs.r[0], 3010);  /* rax */
    assert_int_equal(t[1].regs.r[6], 3004);  /* rbp */
    assert_int_equal(t[1].regs.r[7], 3019);  /* rsp */
    assert_int_equal(t[1].regs.r[14], 3001); /* r14 */
    assert_int_equal(t[1].regs.pc, 3016);
    assert_int_equal(t[1].regs.tls, 3021);
    assert_int_equal(t[1].regs.syscall, 3015);
    assert_int_equal(osp_core_facts_of(c)->signal, SIGSEGV);
    osp_arena_drop(&a);
    osp_core_close(c);
    end(&m);
}

static void registers_of_aarch64(void **state)
{
    (void)state;
    const uint64_t tls = 0x7f00;
    made m;
    begin(&m, EM_AARCH64);
    add_memory(&m, 0x10000, 0x1000, 0x1000, 'a', PF_R);
    add_thread(&m, 5, 0);
    add_note(&m, "LINUX", NT_ARM_TLS, &tls, sizeof tls);
    osp_core *c = opened(finish(&m), NULL);
    osp_arena a;
    osp_image_thread *t;
    uint32_t n;
    threads_of(c, &a, &t, &n);
    assert_int_equal(n, 1);
    assert_int_equal(t->regs.r[28], 5028);
    assert_int_equal(t->regs.r[31], 5031); /* sp */
    assert_int_equal(t->regs.pc, 5032);
    assert_int_equal(t->regs.tls, tls);
    osp_arena_drop(&a);
    osp_core_close(c);
    end(&m);
}

static void the_process_and_its_signal_are_named(void **state)
{
    (void)state;
    uint8_t who[136] = {0}, sig[128] = {0};
    const uint32_t id[] = {1000, 1000, 4711, 1};
    const uint64_t fault = 0xdead0;
    memcpy(who + 16, id, sizeof id);
    memcpy(who + 40, "gateway", 7);
    memcpy(who + 56, "/srv/gateway -v ", 16);
    sig[0] = SIGSEGV;
    sig[8] = 1;
    memcpy(sig + 16, &fault, sizeof fault);
    made m;
    begin(&m, EM_X86_64);
    add_memory(&m, 0x10000, 0x1000, 0x1000, 'a', PF_R);
    add_thread(&m, 4711, SIGSEGV);
    add_note(&m, "CORE", NT_PRPSINFO, who, sizeof who);
    add_note(&m, "CORE", NT_SIGINFO, sig, sizeof sig);
    osp_core *c = opened(finish(&m), NULL);
    const osp_core_facts *f = osp_core_facts_of(c);
    assert_true(osp_str_eq(f->name, S("gateway")));
    assert_true(osp_str_eq(f->args, S("/srv/gateway -v")));
    assert_int_equal(f->pid, 4711);
    assert_int_equal(f->uid, 1000);
    assert_int_equal(f->signal, SIGSEGV);
    assert_int_equal(f->signal_code, 1);
    assert_int_equal(f->fault_addr, fault);
    osp_core_close(c);
    end(&m);
}

/* ---- files beside it ------------------------------------------------------------------------------------------- */

/* A file of two pages, "\177ELF" and 'h' in the first, 't' in the second; its name is put into path. */
static void write_file(char *path, char head)
{
    char page[PAGE];
    memcpy(path, "/tmp/osprey-core-XXXXXX", sizeof "/tmp/osprey-core-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    memset(page, head, sizeof page);
    memcpy(page, "\177ELF", 4);
    put(fd, 0, page, sizeof page);
    memset(page, 't', sizeof page);
    put(fd, PAGE, page, sizeof page);
    close(fd);
}

/* A core of a process that had mapped this file: its first page is in the core, its second is not; a third mapping of it was
 * writable. */
static void map_file(made *m, const char *path)
{
    begin(m, EM_X86_64);
    add_memory(m, 0x400000, 2 * PAGE, PAGE, 'h', PF_R | PF_X);
    memcpy(m->memory.p, "\177ELF", 4);
    add_memory(m, 0x500000, PAGE, 0, 0, PF_R | PF_W);
    const uint64_t auxv[] = {AT_ENTRY, 0x400100, AT_SYSINFO_EHDR, 0x700000, 0, 0};
    add_note(m, "CORE", NT_AUXV, auxv, sizeof auxv);
    add_memory(m, 0x700000, PAGE, PAGE, 'v', PF_R | PF_X);
    const mapped files[] = {
        {0x500000, 0x501000, 1, path}, {0x400000, 0x402000, 0, path}, {0x600000, 0x601000, 1, path}};
    add_files(m, files, 3);
}

static void what_is_not_in_the_core_is_read_from_the_file_it_was_of(void **state)
{
    (void)state;
    char path[64];
    made m;
    write_file(path, 'h');
    map_file(&m, path);
    osp_core *c = opened(finish(&m), NULL);
    osp_image im = osp_core_image(c);
    osp_err err = {0};
    assert_true(osp_str_eq(im.exe, osp_str_from(path)));
    assert_int_equal(im.nmap, 4);
    assert_int_equal(im.map[0].inode, im.map[1].inode);
    assert_int_equal(im.map[1].offset, PAGE);
    assert_true(osp_str_eq(im.map[3].path, S("[vdso]")));
    assert_int_equal(byte_at(&im, 0x400010), 'h');
    assert_int_equal(byte_at(&im, 0x401000), 't');
    assert_int_equal(byte_at(&im, 0x500000), -1);  /* could be written to: nobody knows what was in it */
    assert_int_equal(byte_at(&im, 0x600fff), 't'); /* of which there is no segment at all */
    assert_int_equal(byte_at(&im, 0x402000), -1);
    int fd = im.open_map(im.ctx, &im.map[0], &err);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(im.open_map(im.ctx, &im.map[3], &err), -1);
    assert_int_equal(osp_core_facts_of(c)->left_out_bytes, PAGE);
    osp_core_close(c);
    end(&m);
    unlink(path);
}

static void another_file_at_that_path_is_not_taken_for_it(void **state)
{
    (void)state;
    char path[64], other[64];
    made m;
    write_file(path, 'x');
    write_file(other, 'h');
    map_file(&m, path);
    osp_core *c = opened(finish(&m), NULL);
    osp_image im = osp_core_image(c);
    osp_err err = {0};
    uint8_t b;
    assert_false(im.mem.read(im.mem.ctx, 0x401000, &b, 1, &err));
    assert_non_null(strstr(err.msg, "another file"));
    assert_int_equal(byte_at(&im, 0x401000), -1); /* and is remembered not to be */
    osp_core_close(c);

    c = opened(m.path, &(osp_core_opts){.exe = other});
    im = osp_core_image(c);
    assert_int_equal(byte_at(&im, 0x401000), 't');
    osp_core_close(c);

    c = opened(m.path, &(osp_core_opts){.exe = path});
    im = osp_core_image(c);
    assert_int_equal(byte_at(&im, 0x401000), -1);
    osp_core_close(c);
    end(&m);
    unlink(path);
    unlink(other);
}

static void files_are_found_below_a_root(void **state)
{
    (void)state;
    char path[64];
    made m;
    write_file(path, 'h');
    map_file(&m, path + strlen("/tmp"));
    osp_core *c = opened(finish(&m), &(osp_core_opts){.root = "/tmp/"});
    osp_image im = osp_core_image(c);
    assert_int_equal(byte_at(&im, 0x401000), 't');
    osp_core_close(c);
    end(&m);
    unlink(path);
}

/* ---- broken and hostile ones ------------------------------------------------------------------------------------ */

static void a_core_that_was_cut_short_says_so(void **state)
{
    (void)state;
    made m;
    begin(&m, EM_X86_64);
    add_memory(&m, 0x10000, 0x1000, 0x1000, 'a', PF_R | PF_W);
    add_memory(&m, 0x20000, 0x1000, 0x1000, 'b', PF_R | PF_W);
    finish(&m);
    assert_int_equal(ftruncate(m.fd, MEMORY_AT + 0x1800), 0);
    osp_core *c = opened(m.path, NULL);
    osp_image im = osp_core_image(c);
    assert_int_equal(byte_at(&im, 0x207ff), 'b');
    assert_int_equal(byte_at(&im, 0x20800), -1);
    assert_int_equal(osp_core_facts_of(c)->missing_bytes, 0x800);
    assert_int_equal(osp_core_facts_of(c)->left_out_bytes, 0);
    osp_core_close(c);
    end(&m);
}

static void of_memory_that_two_segments_claim_the_first_has_it(void **state)
{
    (void)state;
    made m;
    begin(&m, EM_X86_64);
    add_memory(&m, 0x10000, 0x2000, 0x2000, 'a', PF_R | PF_W);
    add_memory(&m, 0x11000, 0x2000, 0x2000, 'b', PF_R | PF_W);
    add_memory(&m, 0x11800, 0x100, 0x100, 'c', PF_R | PF_W);
    add_memory(&m, 0xfffffffffffff000, 0x2000, 0x1000, 'd', PF_R); /* beyond the address space */
    add_memory(&m, 0x50000, 1ull << 40, 0x10, 'e', PF_R | PF_W);
    m.phdr[m.head.e_phnum - 1].p_filesz = 1ull << 40; /* of which nearly nothing is there */
    osp_core *c = opened(finish(&m), NULL);
    osp_image im = osp_core_image(c);
    assert_int_equal(byte_at(&im, 0x11fff), 'a');
    assert_int_equal(byte_at(&im, 0x12000), 'b');
    assert_int_equal(byte_at(&im, 0x12fff), 'b');
    assert_int_equal(byte_at(&im, 0x13000), -1);
    assert_int_equal(byte_at(&im, 0xfffffffffffff000), 'd');
    assert_int_equal(byte_at(&im, 0x5000f), 'e');
    assert_int_equal(byte_at(&im, 0x50000 + (1ull << 39)), -1);
    assert_int_equal(osp_core_facts_of(c)->odd, 3);
    assert_true(osp_core_facts_of(c)->missing_bytes > 1ull << 39);
    osp_core_close(c);
    end(&m);
}

static void more_segments_than_its_header_can_count(void **state)
{
    (void)state;
    enum { MANY = 70000 };
    made m;
    begin(&m, EM_X86_64);
    Elf64_Shdr first = {.sh_info = MANY};
    m.head.e_phnum = PN_XNUM;
    m.head.e_shoff = MEMORY_AT;
    m.head.e_phoff = 0x10000;
    finish(&m);
    put(m.fd, MEMORY_AT, &first, sizeof first);
    Elf64_Phdr *h = calloc(MANY, sizeof *h);
    assert_non_null(h);
    for (uint64_t i = 0; i < MANY; i++)
        h[i] = (Elf64_Phdr){
            .p_type = PT_LOAD, .p_vaddr = (MANY - i) << 12, .p_memsz = 64, .p_filesz = 64, .p_flags = PF_R};
    put(m.fd, m.head.e_phoff, h, MANY * sizeof *h);
    free(h);
    osp_core *c = opened(m.path, NULL);
    osp_image im = osp_core_image(c);
    assert_int_equal(im.nmap, MANY);
    assert_int_equal(byte_at(&im, (uint64_t)MANY << 12), 0x7f);
    assert_int_equal(byte_at(&im, 1 << 12 | 1), 'E');
    osp_core_close(c);

    osp_err err = {0};
    first.sh_info = UINT32_MAX;
    put(m.fd, MEMORY_AT, &first, sizeof first);
    assert_null(osp_core_open(m.path, NULL, &err));
    assert_int_equal(err.code, OSP_ELIMIT);
    end(&m);
}

static void notes_that_lie_about_their_length_end_the_notes(void **state)
{
    (void)state;
    made m;
    begin(&m, EM_X86_64);
    add_memory(&m, 0x10000, 0x1000, 0x1000, 'a', PF_R);
    add_thread(&m, 5, 0);
    const Elf64_Nhdr lie = {5, UINT32_MAX, NT_FILE};
    osp_buf_add(&m.note, (osp_str){(const char *)&lie, sizeof lie});
    osp_buf_add(&m.note, (osp_str){"CORE\0\0\0\0", 8});
    osp_core *c = opened(finish(&m), NULL);
    assert_int_equal(osp_core_facts_of(c)->odd, 1);
    assert_int_equal(osp_core_image(c).nmap, 1);
    osp_core_close(c);
    end(&m);
}

static void mapped_files_that_lie_are_left_out(void **state)
{
    (void)state;
    const uint64_t too_many[] = {UINT64_MAX / 8, PAGE, 1, 2, 3};
    const mapped files[] = {{0x20000, 0x10000, 0, "/backwards"},
                            {0x30000, 0x40000, UINT64_MAX, "/far"},
                            {0x50000, 0x60000, 0, "/a"},
                            {0x58000, 0x70000, 0, "/b"}};
    made m;
    begin(&m, EM_X86_64);
    add_memory(&m, 0x10000, 0x1000, 0x1000, 'a', PF_R);
    add_note(&m, "CORE", NT_FILE, too_many, sizeof too_many);
    add_files(&m, files, 4);
    osp_core *c = opened(finish(&m), NULL);
    osp_image im = osp_core_image(c);
    assert_int_equal(osp_core_facts_of(c)->odd, 4);
    assert_int_equal(im.nmap, 2);
    assert_true(osp_str_eq(im.map[1].path, S("/a")));
    osp_core_close(c);
    end(&m);
}

/* The error of a file with these bytes. */
static void refused(const void *p, size_t n, const char *why)
{
    char path[64];
    osp_err err = {0};
    int fd = memfd_create("no core", MFD_CLOEXEC);
    put(fd, 0, p, n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_false(osp_core_is(path));
    assert_null(osp_core_open(path, NULL, &err));
    assert_int_equal(err.code, OSP_EUSAGE);
    if (!strstr(err.msg, why))
        fail_msg("`%s` is not in: %s", why, err.msg);
    close(fd);
}

static void what_is_no_core_is_named(void **state)
{
    (void)state;
    made m;
    refused("", 0, "neither a core file nor a pid");
    refused("hello", 5, "neither a core file nor a pid");
    refused("\x28\xb5\x2f\xfd....", 8, "zstd -d");
    begin(&m, EM_X86_64);
    m.head.e_type = ET_DYN;
    refused(&m.head, sizeof m.head, "a program or a library");
    m.head.e_ident[EI_CLASS] = ELFCLASS32;
    refused(&m.head, sizeof m.head, "64-bit");
    begin(&m, EM_S390);
    osp_err err = {0};
    assert_null(osp_core_open(finish(&m), NULL, &err));
    assert_non_null(strstr(err.msg, "another machine"));
    end(&m);
    assert_null(osp_core_open("/nowhere/core", NULL, &err));
    assert_int_equal(err.code, OSP_EABSENT);
    assert_null(osp_core_open("/tmp", NULL, &err));
}

static void without_memory_it_fails_and_leaks_nothing(void **state)
{
    (void)state;
    char path[64];
    made m;
    write_file(path, 'h');
    map_file(&m, path);
    add_thread(&m, 1, 0);
    finish(&m);
    osp_core *c = NULL;
    for (long n = 0; !c; n++) {
        osp_err err = {0};
        osp_arena_fail_after(n);
        c = osp_core_open(m.path, NULL, &err);
        osp_arena_fail_after(-1);
        if (!c)
            assert_int_equal(err.code, OSP_ELIMIT);
        assert_true(n < 100);
    }
    osp_core_close(c);
    end(&m);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_read_as_far_as_it_is_in_the_core),
        cmocka_unit_test(registers_have_the_numbers_of_dwarf),
        cmocka_unit_test(registers_of_aarch64),
        cmocka_unit_test(the_process_and_its_signal_are_named),
        cmocka_unit_test(what_is_not_in_the_core_is_read_from_the_file_it_was_of),
        cmocka_unit_test(another_file_at_that_path_is_not_taken_for_it),
        cmocka_unit_test(files_are_found_below_a_root),
        cmocka_unit_test(a_core_that_was_cut_short_says_so),
        cmocka_unit_test(of_memory_that_two_segments_claim_the_first_has_it),
        cmocka_unit_test(more_segments_than_its_header_can_count),
        cmocka_unit_test(notes_that_lie_about_their_length_end_the_notes),
        cmocka_unit_test(mapped_files_that_lie_are_left_out),
        cmocka_unit_test(what_is_no_core_is_named),
        cmocka_unit_test(without_memory_it_fails_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
