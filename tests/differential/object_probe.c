/* SPDX-License-Identifier: Apache-2.0 */
/* object_probe: asks src/object about a file, for the differential tests.
 *
 *     object_probe info FILE             what it is
 *     object_probe rows FILE             unwind rows: address, kind, cfa, fp
 *     object_probe frames FILE  reads hexadecimal addresses from stdin; frames of each, innermost first */
#include "object/object_internal.h"

#include "base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *kind_name(unsigned kind)
{
    static const char *const name[] = {"none",
                                       "sp",
                                       "fp",
                                       "end",
                                       "deref_sp",
                                       "deref_fp",
                                       "plt",
                                       "sigframe",
                                       "leaf",
                                       "unknown",
                                       "jump",
                                       "sp_record",
                                       "fp_record",
                                       "sp_return",
                                       "link",
                                       "leaf_link",
                                       "go_exact",
                                       "go_spwrite",
                                       "go_systemstack",
                                       "go_morestack",
                                       "go_asmcgocall",
                                       "go_cgocallback",
                                       "go_exact_link",
                                       "go_growing",
                                       "sigframe_link"};
    return kind < sizeof name / sizeof *name ? name[kind] : "?";
}

static void info(osp_object *o)
{
    printf("build id: %.*s\nmachine: %d\n", STRF(osp_object_build_id(o)), osp_object_machine(o));
    osp_go_info go;
    if (osp_object_go(o, &go))
        printf("go: %.*s\npath: %.*s\ntext: 0x%" PRIx64 "-0x%" PRIx64 "\nmoduledata: 0x%" PRIx64 "\nfunctions: %u\n",
               STRF(go.version), STRF(go.path), go.text, go.etext, go.moduledata, go.nfunc);
    uint64_t size, align;
    if (osp_object_tls(o, &size, &align))
        printf("tls: %" PRIu64 " align %" PRIu64 "\n", size, align);
}

static int rows(osp_object *o)
{
    osp_rows r;
    osp_err err;
    if (!osp_object_rows(o, &r, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    for (uint32_t i = 0; i < r.n; i++) {
        uint32_t rule = r.row[i].rule;
        bool far = osp_rule_is_far(rule);
        printf("%" PRIx64 " %s %d %d\n", r.base + r.row[i].pc, kind_name(osp_rule_kind(rule)),
               far ? osp_rule_far_cfa(rule) : osp_rule_cfa(rule), far ? osp_rule_far_fp(rule) : osp_rule_fp(rule));
    }
    fprintf(stderr, "%u rows, %u skipped\n", r.n, r.skipped);
    return 0;
}

/* Where a function says of itself what an address's rule is, is it that of the address's row? */
static int rules(osp_object *o, int fd)
{
    enum { ASKED = 50000 };
    osp_rows r;
    osp_err err;
    osp_file file;
    osp_elf elf;
    osp_arena a;
    osp_pcln go;
    osp_arena_init(&a, (size_t)1 << 30);
    if (!osp_object_rows(o, &r, &err) || !osp_file_open_fd(fd, "file", (size_t)1 << 33, &file, &err) ||
        !osp_image_open(&elf, file.bytes, &a, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    bool has_go = osp_pcln_open(&go, &elf);
    uint32_t wrong = 0, alone = 0, asked = 0, rule;
    for (uint32_t i = 0; i < r.n; i += 1 + r.n / ASKED) {
        uint32_t end = i + 1 < r.n ? r.row[i + 1].pc : r.row[i].pc + 1;
        for (int last = 0; last < 2; last++, asked++) { /* its first and last byte */
            uint32_t pc = last ? end - 1 : r.row[i].pc;
            if (!osp_rule_of_function(&elf, has_go ? &go : NULL, r.base + pc, &rule))
                continue;
            alone++;
            if (rule != r.row[i].rule && wrong++ < 10)
                printf("%" PRIx64 ": %s %d %d, its row says %s %d %d\n", r.base + pc, kind_name(osp_rule_kind(rule)),
                       osp_rule_cfa(rule), osp_rule_fp(rule), kind_name(osp_rule_kind(r.row[i].rule)),
                       osp_rule_cfa(r.row[i].rule), osp_rule_fp(r.row[i].rule));
        }
    }
    printf("%u rules differ of %u, %u asked\n", wrong, alone, asked);
    osp_file_close(&file);
    osp_arena_drop(&a);
    return wrong > 0;
}

static void frames(osp_object *o)
{
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        osp_frame f[64];
        uint64_t addr = strtoull(line, NULL, 16);
        size_t n = osp_object_frames(o, addr, f, 64);
        printf("0x%" PRIx64 "\n", addr);
        for (size_t i = 0; i < n; i++)
            printf("  %.*s\t%.*s:%d:%d\t%.*s\t%d\n", STRF(f[i].name), STRF(f[i].file), f[i].line, f[i].column,
                   STRF(f[i].linker_name), f[i].start_line);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: object_probe info|rows|rules|frames FILE\n");
        return 2;
    }
    osp_err err;
    int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    osp_object *o = fd >= 0 ? osp_object_open_fd(fd, argv[2], NULL, &err) : NULL;
    if (!o) {
        fprintf(stderr, "%s\n", fd >= 0 ? err.msg : "cannot open");
        return 1;
    }
    int status = 0;
    if (strcmp(argv[1], "info") == 0)
        info(o);
    else if (strcmp(argv[1], "rows") == 0)
        status = rows(o);
    else if (strcmp(argv[1], "rules") == 0)
        status = rules(o, fd);
    else
        frames(o);
    close(fd);
    osp_object_close(o);
    return status;
}
