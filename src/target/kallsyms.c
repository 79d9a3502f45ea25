/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/kallsyms, one symbol a line, about 10 MB:
 *
 *     ffffffff81000000 T _stext
 *     ffffffffc0a41000 t nf_hook	[nf_tables]
 *     address          type name   module
 *
 * Kept are functions only (types T t W w). Where several share an address, the best name stays: global before weak
 * before local, then the one with fewer leading underscores, then the first. Names stand in one block of text, so the
 * whole table takes about 5 MB; of those who say which addresses they will ask for, only the symbols at these are kept. Addresses are all zero where the kernel hides them. */
#include "target/target_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/search.h"

enum {
    NAMES_MAX_BYTES = 256 << 20,
    MODULES_MAX = 4096,
    PIECE_BYTES = 1 << 20,
    /* No function of the kernel is as long: past this an address behind the last symbol of a module is no symbol. */
    REACH_BYTES = 256 << 10,
};

typedef struct {
    uint64_t addr;
    uint32_t name; /* where it starts in names */
    uint16_t length;
    uint16_t module : 13;
    uint16_t rank : 3; /* 0 is best */
} row;

struct osp_kallsyms {
    row *row;
    size_t n, cap;
    osp_buf names;
    uint32_t module_at[MODULES_MAX]; /* in names; [0] is vmlinux */
    uint16_t module_length[MODULES_MAX];
    uint32_t nmodule;
    bool any_address;
    const uint64_t *only; /* while reading: the addresses that will be asked for, sorted; NULL: any */
    size_t nonly;
    uint64_t last; /* function fed so far */
    bool falling;  /* their addresses do not only rise */
};

osp_kallsyms *osp_kallsyms_new(osp_err *err)
{
    osp_kallsyms *k = calloc(1, sizeof *k);
    if (!k) {
        osp_fail_memory(err, "reading kernel symbols");
        return NULL;
    }
    k->names = osp_buf_of(NAMES_MAX_BYTES);
    k->nmodule = 1;
    return k;
}

void osp_kallsyms_close(osp_kallsyms *k)
{
    if (!k)
        return;
    free(k->row);
    osp_buf_drop(&k->names);
    free(k);
}

static osp_str module_name(const osp_kallsyms *k, uint32_t i)
{
    return i ? (osp_str){k->names.p + k->module_at[i], k->module_length[i]} : S("");
}

/* The symbols of a module stand together, so the last one is looked at first. */
static bool module_id(osp_kallsyms *k, osp_str name, uint16_t *id)
{
    *id = 0;
    if (name.n == 0)
        return true;
    for (uint32_t i = k->nmodule - 1; i > 0; i--)
        if (osp_str_eq(module_name(k, i), name)) {
            *id = (uint16_t)i;
            return true;
        }
    if (k->nmodule == MODULES_MAX || name.n > UINT16_MAX)
        return true; /* shown as vmlinux rather than refused */
    k->module_at[k->nmodule] = (uint32_t)k->names.n;
    k->module_length[k->nmodule] = (uint16_t)name.n;
    osp_buf_add(&k->names, name);
    *id = (uint16_t)k->nmodule++;
    return !k->names.failed;
}

static unsigned rank_of(char type, osp_str name)
{
    unsigned underscores = 0;
    while (underscores < 2 && underscores < name.n && name.p[underscores] == '_')
        underscores++;
    return (type == 'T' ? 0 : type == 'W' || type == 'w' ? 2 : 4) + (underscores == 2);
}

/* Hexadecimal digits at the start of s; -1 if the address is not there. The hot loop of the file. */
static int address(osp_str s, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < s.n && i <= 16; i++) {
        unsigned c = (unsigned char)s.p[i];
        unsigned d = c - '0' < 10 ? c - '0' : (c | 0x20) - 'a' < 6 ? (c | 0x20) - 'a' + 10 : 16;
        if (d == 16)
            break;
        v = v << 4 | d;
    }
    *out = v;
    return i && i <= 16 && i < s.n && s.p[i] == ' ' ? (int)i : -1;
}

void osp_kallsyms_only(osp_kallsyms *k, const uint64_t *addr, size_t n)
{
    k->only = addr;
    k->nonly = n;
}

/* Is all known that will be asked for? The kernel's own symbols come first, in order; those of modules lie elsewhere. */
static bool has_all(const osp_kallsyms *k)
{
    return k->only && k->n && !k->falling &&
           (k->nonly == 0 || (k->row[0].addr <= k->only[0] && k->last > k->only[k->nonly - 1]));
}

/* Before a symbol at addr is added: the last one goes if nothing that will be asked for lies between the two. */
static void drop_unasked(osp_kallsyms *k, uint64_t addr)
{
    const row *last = k->n ? &k->row[k->n - 1] : NULL;
    if (!k->only || !last || last->addr >= addr)
        return;
    size_t below = osp_rows_upto(k->only, k->nonly, sizeof *k->only, addr - 1);
    if (below > 0 && k->only[below - 1] >= last->addr)
        return;
    k->names.n = last->name;
    k->n--;
}

bool osp_kallsyms_feed(osp_kallsyms *k, osp_str lines, osp_err *err)
{
    while (lines.n) {
        osp_str line = osp_str_cut(&lines, '\n');
        uint64_t addr;
        int digits = address(line, &addr);
        if (digits < 0 || line.n < (size_t)digits + 4 || line.p[digits + 2] != ' ' || line.p[digits + 3] == '\t')
            return osp_fail(err, OSP_EFORMAT, "/proc/kallsyms: not a symbol: %.*s", (int)(line.n < 80 ? line.n : 80),
                            line.p);
        char type = line.p[digits + 1];
        k->any_address |= addr != 0;
        if (addr == 0 || (type != 'T' && type != 't' && type != 'W' && type != 'w'))
            continue;
        osp_str module = osp_str_skip(line, (size_t)digits + 3);
        osp_str name = osp_str_cut(&module, '\t');
        if (module.n >= 2 && module.p[0] == '[' && module.p[module.n - 1] == ']')
            module = (osp_str){module.p + 1, module.n - 2};
        row r = {.addr = addr, .length = (uint16_t)(name.n < UINT16_MAX ? name.n : UINT16_MAX)};
        r.rank = (uint16_t)(rank_of(type, name) & 7);
        uint16_t id;
        k->falling |= addr < k->last;
        k->last = addr;
        drop_unasked(k, addr);
        if (!module_id(k, module, &id) || k->n == UINT32_MAX ||
            !osp_grow((void **)&k->row, &k->cap, k->n + 1, sizeof *k->row))
            return osp_fail_memory(err, "reading kernel symbols");
        r.module = id & 0x1fff;
        r.name = (uint32_t)k->names.n;
        osp_buf_add(&k->names, osp_str_head(name, r.length));
        if (k->names.failed)
            return osp_fail_memory(err, "reading kernel symbols");
        k->row[k->n++] = r;
    }
    return true;
}

static int by_address(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return (x->name > y->name) - (x->name < y->name);
}

bool osp_kallsyms_finish(osp_kallsyms *k, osp_err *err)
{
    if (!k->any_address) {
        int restrict_to = osp_sysctl("/proc/sys/kernel/kptr_restrict");
        return osp_fail(
            err, OSP_EABSENT,
            "kernel functions have no names: the kernel hides its addresses (kernel.kptr_restrict is %d%s); "
            "%s",
            restrict_to, osp_have_capability(CAP_SYSLOG) ? "" : ", no CAP_SYSLOG",
            restrict_to > 1 ? "sudo sysctl kernel.kptr_restrict=1" : "run as root (sudo)");
    }
    bool sorted = true;
    for (size_t i = 1; sorted && i < k->n; i++)
        sorted = by_address(&k->row[i - 1], &k->row[i]) < 0;
    if (!sorted && k->n)
        qsort(k->row, k->n, sizeof *k->row, by_address);
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++)
        if (n == 0 || k->row[n - 1].addr != k->row[i].addr)
            k->row[n++] = k->row[i];
    k->n = n;
    return true;
}

static bool read_all(osp_kallsyms *k, int fd, osp_err *err)
{
    osp_buf b = osp_buf_of(PIECE_BYTES);
    bool ok = true;
    for (bool end = false; ok && !end;) {
        char *at = osp_buf_room(&b, b.max - b.n);
        ssize_t got = at && b.n < b.max ? read(fd, at, b.max - b.n) : -1;
        if (got < 0 && at && b.n < b.max && errno == EINTR)
            continue;
        if (got < 0) {
            ok = b.n < b.max && at ? osp_fail_errno(err, errno, "/proc/kallsyms")
                                   : osp_fail(err, OSP_EFORMAT, "/proc/kallsyms: a line without end");
            break;
        }
        end = got == 0;
        b.n += (size_t)got;
        osp_str text = osp_buf_str(&b);
        size_t last = osp_str_rfind(text, '\n');
        size_t whole = end ? text.n : last == text.n ? 0 : last + 1;
        if (b.n < b.max / 2 && !end)
            continue; /* the kernel hands out a page at a time */
        ok = osp_kallsyms_feed(k, osp_str_head(text, whole), err);
        memmove(b.p, b.p + whole, b.n - whole);
        b.n -= whole;
        end |= has_all(k);
    }
    osp_buf_drop(&b);
    return ok;
}

osp_kallsyms *osp_kallsyms_open(osp_err *err) { return osp_kallsyms_open_for(NULL, 0, err); }

osp_kallsyms *osp_kallsyms_open_for(const uint64_t *addr, size_t n, osp_err *err)
{
    OSP_AUTO_CLOSE int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        osp_fail_errno(err, errno, "/proc/kallsyms");
        return NULL;
    }
    osp_kallsyms *k = osp_kallsyms_new(err);
    if (k)
        osp_kallsyms_only(k, addr, n);
    if (k && (!read_all(k, fd, err) || !osp_kallsyms_finish(k, err))) {
        osp_kallsyms_close(k);
        k = NULL;
    }
    if (k)
        osp_kallsyms_only(k, NULL, 0);
    return k;
}

bool osp_kallsyms_at(const osp_kallsyms *k, uint64_t addr, osp_str *name, osp_str *module, uint64_t *start)
{
    size_t lo = osp_rows_upto(k->row, k->n, sizeof *k->row, addr);
    if (lo == 0 || addr - k->row[lo - 1].addr >= REACH_BYTES)
        return false;
    const row *r = &k->row[lo - 1];
    *name = (osp_str){k->names.p + r->name, r->length};
    *module = module_name(k, r->module);
    *start = r->addr;
    return true;
}
