/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed of a ledger of memory: pure functions of it. */
#include "cli/mem_screen.h"

#include "base/json.h"
#include "cli/ps_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TEXT = 32, NAME = 18, FILES_SHOWN = 3 };

static double share(uint64_t part, uint64_t of) { return of ? 100 * (double)part / (double)of : 0; }

static double seconds_between(const osp_ledger *was, const osp_ledger *now)
{
    return (double)(now->taken_ns - was->taken_ns) / 1e9;
}

/* "+12 MB", "-3 MB"; "" if it did not change. */
static osp_str growth_text(uint64_t now, uint64_t was, char buf[TEXT])
{
    char bytes[TEXT];
    if (now == was)
        return S("");
    osp_str text = osp_bytes_text(now > was ? now - was : was - now, bytes, TEXT);
    snprintf(buf, TEXT, "%s%.*s", now > was ? "+" : "−", STRF(text));
    return osp_str_from(buf);
}

/* ---- what is beside a row ----------------------------------------------------------------------------------------- */

/* A file, with all of its mappings. */
typedef struct {
    osp_str path;
    uint64_t bytes;
} file_sum;

static int larger_file(const void *a, const void *b)
{
    const file_sum *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

/* The largest of a kind, by name; the mappings of a file stand side by side. */
static void put_largest(const osp_ledger *l, osp_ledger_kind kind, osp_buf *out)
{
    char text[TEXT];
    size_t n = 0;
    file_sum *f = calloc(l->nmap ? l->nmap : 1, sizeof *f);
    for (uint32_t i = 0; f && i < l->nmap; i++) {
        const osp_smap *s = &l->map[i].s;
        const bool file = kind == OSP_LEDGER_FILES && s->map.inode && l->map[i].kind != OSP_LEDGER_SHARED;
        if (!file && (l->map[i].kind != kind || !s->map.inode))
            continue;
        const uint64_t bytes =
            file ? s->resident - (s->anonymous < s->resident ? s->anonymous : s->resident) : s->resident;
        if (n && osp_str_eq(f[n - 1].path, s->map.path))
            f[n - 1].bytes += bytes;
        else
            f[n++] = (file_sum){s->map.path, bytes};
    }
    if (f && n)
        qsort(f, n, sizeof *f, larger_file);
    size_t shown = 0;
    for (size_t i = 0; f && i < n && shown < FILES_SHOWN && f[i].bytes; i++, shown++)
        osp_buf_fmt(out, "%s%.*s %.*s", shown ? ", " : "", STRF(osp_str_base(f[i].path)),
                    STRF(osp_bytes_text(f[i].bytes, text, TEXT)));
    if (shown < n && shown == FILES_SHOWN)
        osp_buf_add(out, S(" …"));
    free(f);
}

static void put_unknown(const osp_ledger *l, osp_buf *out)
{
    const osp_ledger_map *most = NULL;
    char text[TEXT];
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->nmap; i++)
        if (l->map[i].kind == OSP_LEDGER_OTHER && l->map[i].s.resident) {
            n++;
            most = most && most->s.resident >= l->map[i].s.resident ? most : &l->map[i];
        }
    if (most)
        osp_buf_fmt(out, "%u mapping%s, the largest %.*s at 0x%llx", n, n == 1 ? "" : "s",
                    STRF(osp_bytes_text(most->s.resident, text, TEXT)), (unsigned long long)most->s.map.start);
}

static void put_go_heap(const osp_ledger *l, osp_buf *out)
{
    char a[TEXT];
    if (!l->has_go)
        return;
    osp_buf_fmt(out, "objects %.*s", STRF(osp_bytes_text(l->go.heap_alloc, a, TEXT)));
    if (l->go_untouched >= 1 << 20)
        osp_buf_fmt(out, ", %.*s more never touched", STRF(osp_bytes_text(l->go_untouched, a, TEXT)));
}

static void put_returned(const osp_ledger *l, osp_buf *out)
{
    char a[TEXT];
    if (l->go_lazy_free)
        osp_buf_fmt(out, "by MADV_FREE %.*s: taken when needed", STRF(osp_bytes_text(l->go_lazy_free, a, TEXT)));
    else if (l->go_huge)
        osp_buf_add(out, S("large pages keep it"));
}

static void put_detail(const osp_ledger *l, osp_ledger_kind k, osp_buf *out)
{
    char a[TEXT];
    switch (k) {
    case OSP_LEDGER_GO_HEAP:
        put_go_heap(l, out);
        break;
    case OSP_LEDGER_GO_IDLE:
        osp_buf_add(out, S("free, not given back"));
        break;
    case OSP_LEDGER_GO_RETURNED:
        put_returned(l, out);
        break;
    case OSP_LEDGER_GO_RUNTIME:
        if (l->row[k].how && osp_str_has(osp_str_from(l->row[k].how), S("at most")))
            osp_buf_add(out, S("at most"));
        break;
    case OSP_LEDGER_C_ARENAS:
        osp_buf_fmt(out, "%u arena%s", l->malloc.arenas, l->malloc.arenas == 1 ? "" : "s");
        break;
    case OSP_LEDGER_C_LARGE:
        osp_buf_fmt(out, "%u block%s", l->malloc.large, l->malloc.large == 1 ? "" : "s");
        break;
    case OSP_LEDGER_STACKS:
        osp_buf_fmt(out, "%.*s thread%s", STRF(osp_count_text(l->threads, a, TEXT)), l->threads == 1 ? "" : "s");
        break;
    case OSP_LEDGER_FILES:
    case OSP_LEDGER_SHARED:
        put_largest(l, k, out);
        break;
    case OSP_LEDGER_OTHER:
        put_unknown(l, out);
        break;
    default:
        break;
    }
}

/* ---- the screen ----------------------------------------------------------------------------------------------- */

static void put_bar(osp_buf *out, double part, size_t columns)
{
    static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t n = (size_t)(part * (double)columns * 8 + 0.5);
    n = n > columns * 8 ? columns * 8 : n == 0 && part > 0 ? 1 : n;
    for (size_t i = 0; i < n / 8; i++)
        osp_buf_add(out, S("█"));
    osp_buf_add(out, osp_str_from(eighth[n % 8]));
    osp_buf_fill(out, ' ', columns - (n + 7) / 8);
}

static osp_colour colour_of(osp_ledger_kind k)
{
    return k <= OSP_LEDGER_GO_RUNTIME ? OSP_CYAN
           : k <= OSP_LEDGER_C_OTHER  ? OSP_MAGENTA
           : k == OSP_LEDGER_OTHER    ? OSP_YELLOW
                                      : OSP_BLUE;
}

static void put_row(const osp_cli *cli, const osp_ledger *l, const osp_ledger *was, osp_ledger_kind k, osp_buf *out)
{
    enum { FIXED = 38, GREW = 11 };
    const size_t bar = cli->columns >= 120 ? 32 : cli->columns >= 100 ? 22 : 12;
    char text[TEXT];
    const osp_ledger_row *r = &l->row[k];
    osp_buf bars = osp_buf_of(4096), detail = osp_buf_of(1 << 16);
    if (!r->how && (!was || !was->row[k].how))
        return;
    osp_buf_fmt(out, "  %-*.*s", NAME, STRF(osp_ledger_kind_text(k)));
    osp_buf_right(out, osp_bytes_text(r->resident, text, TEXT), 9);
    osp_buf_fmt(out, " %5.1f %%", share(r->resident, l->resident));
    if (was)
        osp_buf_right(out, growth_text(r->resident, was->row[k].resident, text), GREW);
    osp_buf_add(out, S("  "));
    put_bar(&bars, l->resident ? (double)r->resident / (double)l->resident : 0, bar);
    put_detail(l, k, &detail);
    if (r->swapped)
        osp_buf_fmt(&detail, "%sswapped %.*s", detail.n ? "; " : "", STRF(osp_bytes_text(r->swapped, text, TEXT)));
    osp_str drawn = osp_buf_str(&bars);
    osp_paint(cli, out, colour_of(k), "%.*s", STRF(detail.n ? drawn : osp_str_trim(drawn)));
    const size_t used = FIXED + bar + 1 + (was ? GREW : 0);
    if (detail.n && (size_t)cli->columns > used) {
        osp_buf_byte(out, ' ');
        osp_paint_cut(cli, out, OSP_DIM, osp_buf_str(&detail), (size_t)cli->columns - used);
    }
    osp_buf_byte(out, '\n');
    osp_buf_drop(&bars);
    osp_buf_drop(&detail);
}

static void put_beside(const osp_cli *cli, const osp_ledger *l, osp_buf *out)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } other[] = {{"swapped", l->process.swapped}, {"page tables", l->process.page_tables}, {"hugetlbfs", l->hugetlb}};
    char text[TEXT];
    if (l->of_core) {
        osp_paint(cli, out, OSP_DIM, "  a core does not tell what was resident, nor what was of files");
        osp_buf_byte(out, '\n');
        return;
    }
    osp_buf line = osp_buf_of(4096);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (other[i].bytes)
            osp_buf_fmt(&line, "%s%s %.*s", line.n ? ", " : "", other[i].name,
                        STRF(osp_bytes_text(other[i].bytes, text, TEXT)));
    osp_buf_fmt(&line, "%sat most it was %.*s", line.n ? "; " : "",
                STRF(osp_bytes_text(l->process.most_resident, text, TEXT)));
    osp_paint(cli, out, OSP_DIM, "  beside it   %.*s", STRF(osp_buf_str(&line)));
    osp_buf_byte(out, '\n');
    line.n = 0;
    if (l->huge)
        osp_buf_fmt(&line, "in large pages %.*s", STRF(osp_bytes_text(l->huge, text, TEXT)));
    if (l->lazy_free)
        osp_buf_fmt(&line, "%slazily freed %.*s", line.n ? ", " : "", STRF(osp_bytes_text(l->lazy_free, text, TEXT)));
    if (l->row[OSP_LEDGER_FILES].resident)
        osp_buf_fmt(&line, "%sof files its share among processes %.*s", line.n ? ", " : "",
                    STRF(osp_bytes_text(l->file_share, text, TEXT)));
    if (line.n) {
        osp_paint(cli, out, OSP_DIM, "  of it       %.*s", STRF(osp_buf_str(&line)));
        osp_buf_byte(out, '\n');
    }
    osp_buf_drop(&line);
}

static void put_why(const osp_cli *cli, const osp_ledger *l, osp_buf *out)
{
    if (!l->is_go || l->has_go)
        return;
    osp_paint(cli, out, OSP_YELLOW, "  of the Go runtime nothing more is known: %s", l->why.msg);
    osp_buf_byte(out, '\n');
}

void osp_mem_screen(const osp_cli *cli, const osp_ledger *l, const osp_ledger *was, osp_str who, osp_buf *out)
{
    char text[TEXT], grew[TEXT];
    osp_paint(cli, out, OSP_BOLD, "%.*s", STRF(who));
    osp_buf_fmt(out, ": %.*s %s", STRF(osp_bytes_text(l->resident, text, TEXT)),
                l->of_core ? "of memory that is not zero" : "resident");
    if (was) {
        osp_str g = growth_text(l->resident, was->resident, grew);
        osp_buf_fmt(out, ", %.*s in %.1f s", STRF(g.n ? g : S("as before")), seconds_between(was, l));
    }
    osp_buf_add(out, S("\n\n"));
    for (int k = 0; k < OSP_LEDGER_KINDS; k++)
        put_row(cli, l, was, (osp_ledger_kind)k, out);
    osp_buf_byte(out, '\n');
    put_beside(cli, l, out);
    put_why(cli, l, out);
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static uint64_t sum_of(const osp_ledger *l, osp_ledger_kind first, osp_ledger_kind last)
{
    uint64_t sum = 0;
    for (int k = (int)first; k <= (int)last; k++)
        sum += l->row[k].resident;
    return sum;
}

void osp_mem_head(const osp_cli *cli, osp_buf *out)
{
    osp_paint(cli, out, OSP_BOLD, "%8s %8s %9s %8s %8s %8s %8s %8s %8s", "TIME", "RSS", "GREW", "GO HEAP", "GO IDLE",
              "GO REST", "C", "FILES", "OTHER");
    osp_buf_byte(out, '\n');
}

void osp_mem_line(const osp_ledger *l, const osp_ledger *was, osp_buf *out)
{
    char clock[TEXT], text[TEXT];
    struct tm tm;
    const time_t now = time(NULL);
    const uint64_t files = l->row[OSP_LEDGER_FILES].resident, c = sum_of(l, OSP_LEDGER_C_HEAP, OSP_LEDGER_C_OTHER);
    const uint64_t heap = l->row[OSP_LEDGER_GO_HEAP].resident, idle = l->row[OSP_LEDGER_GO_IDLE].resident;
    const uint64_t rest = sum_of(l, OSP_LEDGER_GO_RETURNED, OSP_LEDGER_GO_RUNTIME);
    const uint64_t column[] = {heap, idle, rest, c, files, l->resident - heap - idle - rest - c - files};
    localtime_r(&now, &tm);
    strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    osp_buf_fmt(out, "%8s ", clock);
    osp_buf_right(out, osp_bytes_text(l->resident, text, TEXT), 8);
    osp_buf_byte(out, ' ');
    osp_buf_right(out, was ? growth_text(l->resident, was->resident, text) : S(""), 9);
    for (size_t i = 0; i < sizeof column / sizeof *column; i++) {
        osp_buf_byte(out, ' ');
        osp_buf_right(out, osp_bytes_text(column[i], text, TEXT), 8);
    }
    osp_buf_byte(out, '\n');
}

/* ---- mappings --------------------------------------------------------------------------------------------------- */

static int larger_map(const void *a, const void *b)
{
    const osp_ledger_map *const *x = a, *const *y = b;
    const uint64_t p = (*x)->s.resident, q = (*y)->s.resident;
    return p != q ? (p < q) - (p > q)
                  : ((*x)->s.map.start > (*y)->s.map.start) - ((*x)->s.map.start < (*y)->s.map.start);
}

bool osp_mem_maps(const osp_cli *cli, const osp_ledger *l, uint32_t lines, osp_buf *out)
{
    char mapped[TEXT], resident[TEXT];
    const osp_ledger_map **by_size = calloc(l->nmap ? l->nmap : 1, sizeof(*by_size));
    if (!by_size)
        return false;
    for (uint32_t i = 0; i < l->nmap; i++)
        by_size[i] = &l->map[i];
    qsort(by_size, l->nmap, sizeof(*by_size), larger_map);
    osp_buf_byte(out, '\n');
    osp_paint(cli, out, OSP_DIM, "  %16s  %8s  %8s  %-*s %s", "BEGINS AT", "MAPPED", "RESIDENT", NAME, "MOSTLY",
              "NAME");
    osp_buf_byte(out, '\n');
    uint32_t n = 0;
    for (; n < l->nmap && (lines == 0 || n < lines) && (lines == 0 || by_size[n]->s.resident); n++) {
        const osp_smap *s = &by_size[n]->s;
        osp_buf_fmt(out, "  %16llx  ", (unsigned long long)s->map.start);
        osp_buf_right(out, osp_bytes_text(s->map.end - s->map.start, mapped, TEXT), 8);
        osp_buf_add(out, S("  "));
        osp_buf_right(out, osp_bytes_text(s->resident, resident, TEXT), 8);
        osp_buf_fmt(out, "  %-*.*s ", NAME, STRF(osp_ledger_kind_text(by_size[n]->kind)));
        osp_paint_cut(cli, out, OSP_PLAIN, s->map.path, 0);
        osp_buf_byte(out, '\n');
    }
    if (n < l->nmap)
        osp_buf_fmt(out, "                 …  %u more mappings (-n 0)\n", l->nmap - n);
    free(by_size);
    return true;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static void row_json(osp_json *j, const osp_ledger *l, const osp_ledger *was, osp_ledger_kind k)
{
    const osp_ledger_row *r = &l->row[k];
    osp_json_object(j, NULL);
    osp_json_str(j, "kind", osp_str_from(osp_ledger_kind_word(k)));
    osp_json_uint(j, "resident_bytes", r->resident);
    osp_json_num(j, "share", share(r->resident, l->resident) / 100);
    osp_json_uint(j, "swapped_bytes", r->swapped);
    osp_json_uint(j, "huge_bytes", r->huge);
    if (was)
        osp_json_int(j, "grew_bytes", (int64_t)(r->resident - was->row[k].resident));
    if (r->how)
        osp_json_str(j, "how", osp_str_from(r->how));
    osp_json_end(j);
}

/* The names of package runtime/metrics. */
static void classes_json(osp_json *j, const osp_go_memstats *m)
{
    const struct {
        const char *name;
        uint64_t v;
    } class[] = {{"/memory/classes/heap/free:bytes", m->heap_idle - m->heap_released},
                 {"/memory/classes/heap/objects:bytes", m->heap_alloc},
                 {"/memory/classes/heap/released:bytes", m->heap_released},
                 {"/memory/classes/heap/stacks:bytes", m->stack_inuse},
                 {"/memory/classes/heap/unused:bytes", m->heap_inuse - m->heap_alloc},
                 {"/memory/classes/metadata/mcache/free:bytes", m->mcache_sys - m->mcache_inuse},
                 {"/memory/classes/metadata/mcache/inuse:bytes", m->mcache_inuse},
                 {"/memory/classes/metadata/mspan/free:bytes", m->mspan_sys - m->mspan_inuse},
                 {"/memory/classes/metadata/mspan/inuse:bytes", m->mspan_inuse},
                 {"/memory/classes/metadata/other:bytes", m->gc_sys},
                 {"/memory/classes/os-stacks:bytes", m->stack_sys - m->stack_inuse},
                 {"/memory/classes/other:bytes", m->other_sys},
                 {"/memory/classes/profiling/buckets:bytes", m->buckhash_sys},
                 {"/memory/classes/total:bytes", m->sys}};
    osp_json_object(j, "classes");
    for (size_t i = 0; i < sizeof class / sizeof *class; i++)
        osp_json_uint(j, class[i].name, class[i].v);
    osp_json_end(j);
}

static void go_json(osp_json *j, const osp_ledger *l, osp_str version)
{
    osp_json_object(j, "go");
    osp_json_str(j, "version", version);
    osp_json_bool(j, "by_pages", l->has_pages);
    osp_json_uint(j, "heap_resident_bytes", l->go_resident);
    osp_json_uint(j, "untouched_bytes", l->go_untouched);
    osp_json_uint(j, "huge_bytes", l->go_huge);
    osp_json_uint(j, "lazy_free_bytes", l->go_lazy_free);
    if (l->has_go) {
        osp_json_bool(j, "moving", l->go.moving);
        osp_json_uint(j, "objects", l->go.mallocs - l->go.frees);
        classes_json(j, &l->go);
    } else {
        osp_json_str(j, "why", osp_str_from(l->why.msg));
    }
    osp_json_end(j);
}

static void maps_json(osp_json *j, const osp_ledger *l)
{
    osp_json_array(j, "mappings");
    for (uint32_t i = 0; i < l->nmap; i++) {
        const osp_smap *s = &l->map[i].s;
        osp_json_object(j, NULL);
        j->dense = true;
        osp_json_uint(j, "start", s->map.start);
        osp_json_uint(j, "bytes", s->map.end - s->map.start);
        osp_json_uint(j, "resident_bytes", s->resident);
        osp_json_str(j, "kind", osp_str_from(osp_ledger_kind_word(l->map[i].kind)));
        osp_json_str(j, "name", s->map.path);
        osp_json_end(j);
        j->dense = false;
    }
    osp_json_end(j);
}

void osp_mem_json(const osp_ledger *l, const osp_ledger *was, int pid, osp_str version, bool maps, osp_buf *out)
{
    osp_json j = osp_json_on(out);
    osp_json_object(&j, NULL);
    osp_json_str(&j, "schema", S("osprey.mem/1"));
    osp_json_int(&j, "pid", pid);
    osp_json_bool(&j, "of_core", l->of_core);
    osp_json_uint(&j, "resident_bytes", l->resident);
    osp_json_uint(&j, "most_resident_bytes", l->process.most_resident);
    osp_json_uint(&j, "swapped_bytes", l->process.swapped);
    osp_json_uint(&j, "page_tables_bytes", l->process.page_tables);
    osp_json_uint(&j, "lazy_free_bytes", l->lazy_free);
    osp_json_uint(&j, "huge_bytes", l->huge);
    osp_json_uint(&j, "hugetlb_bytes", l->hugetlb);
    osp_json_uint(&j, "file_share_bytes", l->file_share);
    if (was) {
        osp_json_num(&j, "watched_s", seconds_between(was, l));
        osp_json_int(&j, "grew_bytes", (int64_t)(l->resident - was->resident));
    }
    osp_json_array(&j, "rows");
    for (int k = 0; k < OSP_LEDGER_KINDS; k++)
        row_json(&j, l, was, (osp_ledger_kind)k);
    osp_json_end(&j);
    if (l->is_go)
        go_json(&j, l, version);
    osp_json_object(&j, "malloc");
    osp_json_uint(&j, "arenas", l->malloc.arenas);
    osp_json_uint(&j, "heaps", l->malloc.heaps);
    osp_json_uint(&j, "bytes", l->malloc.bytes);
    osp_json_uint(&j, "large_blocks", l->malloc.large);
    osp_json_uint(&j, "large_bytes", l->malloc.large_bytes);
    osp_json_end(&j);
    if (l->threads)
        osp_json_uint(&j, "threads", l->threads);
    if (maps)
        maps_json(&j, l);
    osp_json_end(&j);
}
