/* SPDX-License-Identifier: Apache-2.0 */
#include "formats.h"

#include "format/legacy.h"
#include "format/pattern.h"

/* The peer's expressions. */
#define HEX "(?:0x)?([[:xdigit:]]+)"
#define HEX_RANGE "\\s*" HEX "[\\s-]?\\s*" HEX ":?"
#define PERMS "(?:\\s+([-rwxp]+))?"
static const char proc_line[] = "^" HEX_RANGE PERMS "(?:\\s+([[:xdigit:]]+))?\\s+[[:xdigit:]]+:[[:xdigit:]]+"
                                "\\s+[[:digit:]]+(?:\\s+(\\S+))?";
static const char brief_line[] = "^" HEX_RANGE PERMS "(?:\\s+(\\S+))?(?:\\s+\\(@([[:xdigit:]]+)\\))?"
                                 "(?:\\s+([[:xdigit:]]+))?";

static osp_str text(osp_group g) { return (osp_str){g.p, g.p ? g.n : 0}; }

static bool by_patterns(const osp_pattern *proc, const osp_pattern *brief, osp_str s, osp_map_line *out)
{
    osp_group g[6] = {{0}};
    *out = (osp_map_line){0};
    if (osp_pattern_find(proc, s.p, s.n, g, 5))
        *out = (osp_map_line){text(g[0]), text(g[1]), text(g[2]), text(g[3]), text(g[4]), {0}};
    else if (osp_pattern_find(brief, s.p, s.n, g, 6))
        *out = (osp_map_line){text(g[0]), text(g[1]), text(g[2]), text(g[4]), text(g[3]), text(g[5])};
    else
        return false;
    return true;
}

static void check(const osp_pattern *proc, const osp_pattern *brief, osp_str line)
{
    osp_map_line got, want;
    bool is = osp_map_line_of(line, &got);
    if (is != by_patterns(proc, brief, line, &want))
        fail_msg("%s a mapping: `%.*s`", is ? "taken for" : "not taken for", STRF(line));
    if (is && !(osp_str_eq(got.start, want.start) && osp_str_eq(got.limit, want.limit) &&
                osp_str_eq(got.perms, want.perms) && osp_str_eq(got.offset, want.offset) &&
                osp_str_eq(got.file, want.file) && osp_str_eq(got.build_id, want.build_id)))
        fail_msg("`%.*s`: [%.*s-%.*s %.*s %.*s %.*s %.*s] but [%.*s-%.*s %.*s %.*s %.*s %.*s]", STRF(line),
                 STRF(got.start), STRF(got.limit), STRF(got.perms), STRF(got.offset), STRF(got.file),
                 STRF(got.build_id), STRF(want.start), STRF(want.limit), STRF(want.perms), STRF(want.offset),
                 STRF(want.file), STRF(want.build_id));
}

static void lines_are_read_as_the_peers_expressions_do(void **state)
{
    (void)state;
    static const char *const piece[] = {"0x",   "0",        "12",  "f",  "-",     " ",      "  ", "\t",
                                        ":",    "r-xp",     "x",   "--", "(@1a)", "(@",     ")",  "/bin/x",
                                        "00:0", "fd:00 12", " 7 ", "a:", "g",     "[vdso]", "\r", "\xff"};
    osp_pattern *proc = osp_pattern_new(proc_line), *brief = osp_pattern_new(brief_line);
    assert_true(proc && brief);
    check(proc, brief, S("00400000-00fcb000 r-xp 00001000 fd:00 1234   /srv/bin/server (deleted)"));
    check(proc, brief, S("400000 - 0x500000: libx.so (@1000) abc"));
    check(proc, brief, S(""));
    uint64_t random = 1;
    for (int i = 0; i < 5000; i++) {
        char line[120];
        size_t n = 0;
        for (int k = 0; k < 14; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            osp_str p = osp_str_from(piece[(random >> 33) % (sizeof piece / sizeof *piece)]);
            if (random >> 60 == 0 && k > 2)
                break;
            memcpy(line + n, p.p, p.n);
            n += p.n;
            check(proc, brief, (osp_str){line, n});
        }
    }
    osp_pattern_drop(proc);
    osp_pattern_drop(brief);
}

/* What the rows' addresses, return addresses less one, are mapped to. */
static void check_mappings(const char *map, const char *addresses, const char *want)
{
    osp_err err = {0};
    osp_buf in = osp_buf_of(1 << 16), got = osp_buf_of(1 << 16);
    osp_buf_fmt(&in, "heap profile: 1: 8 [1: 8] @ heapz_v2/4096\n1: 8 [1: 8] @ %s\nMAPPED_LIBRARIES:\n%s", addresses,
                map);
    osp_profile *p = read_as(osp_buf_str(&in), "heap", NULL, &err);
    if (!p)
        fail_msg("%s", err.msg);
    for (uint32_t i = 0; i < p->locations.n; i++) {
        const osp_mapping *m = &p->mappings.row[p->locations.mapping[i].i];
        osp_str file = osp_text(p, m->file);
        osp_buf_fmt(&got, "%llx:%llx-%.*s ", (unsigned long long)p->locations.addr[i], (unsigned long long)m->start,
                    STRF(file));
    }
    osp_buf_byte(&got, 0);
    assert_string_equal(got.p, want);
    osp_buf_drop(&in);
    osp_buf_drop(&got);
    osp_profile_drop(p);
}

static void mappings_grow_down_to_where_their_file_begins(void **state)
{
    (void)state;
    check_mappings("10000-20000 r-xp 4000 fd:00 1 /a\n30000-40000 r-xp 0 fd:00 1 /b\n",
                   "0xd001 0xc001 0x10001 0x30001 0xb001",
                   "d000:c000-/a c000:c000-/a 10000:c000-/a 30000:30000-/b b000:0- ");
    /* The first of two that could; the second stays as it is. */
    check_mappings("10000-20000 r-xp 4000 fd:00 1 /a\n20000-30000 r-xp 14000 fd:00 1 /b\n", "0xd001 0xc001",
                   "d000:c000-/a c000:c000-/a ");
    /* One that ends before it begins holds nothing: then the next one. */
    check_mappings("10000-8000 r-xp 4000 fd:00 1 /a\n20000-30000 r-xp 14000 fd:00 1 /b\n", "0xd001 0xd002 0xc011",
                   "d000:c000-/a d001:c000-/b c010:c000-/b ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_as_the_peers_expressions_do),
        cmocka_unit_test(mappings_grow_down_to_where_their_file_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
