/* SPDX-License-Identifier: Apache-2.0 */
/* source.c: the order of work: fetch, merge, subtract, symbolise, save. */
#include "source_internal.h"

#include "format/format.h"
#include "object/object.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

struct osp_source {
    osp_profile *profile;
    osp_object **object; /* by mapping id */
    bool all_frames, raw_names;
};

void osp_tell(const osp_source_opts *o, const char *fmt, ...)
{
    if (!o->say)
        return;
    osp_buf line = osp_buf_of(1 << 20);
    va_list ap;
    va_start(ap, fmt);
    osp_buf_vfmt(&line, fmt, ap);
    va_end(ap);
    o->say(o->say_ctx, osp_buf_str(&line));
    osp_buf_drop(&line);
}

bool osp_is_object_file(const char *path)
{
    static const char magic[][4] = {
        {0x7f, 'E', 'L', 'F'},
        {(char)0xfe, (char)0xed, (char)0xfa,
         (char)0xce}, /* Mach-O: 32 and 64 bit, of both orders, and several in one */
        {(char)0xfe, (char)0xed, (char)0xfa, (char)0xcf},
        {(char)0xce, (char)0xfa, (char)0xed, (char)0xfe},
        {(char)0xcf, (char)0xfa, (char)0xed, (char)0xfe},
        {(char)0xca, (char)0xfe, (char)0xba, (char)0xbe},
    };
    char head[4] = "";
    OSP_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || read(fd, head, sizeof head) != sizeof head)
        return false;
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (memcmp(head, magic[i], sizeof head) == 0)
            return true;
    return head[0] == 'M' && head[1] == 'Z';
}

osp_source *osp_source_open(const osp_source_opts *opts, osp_err *err)
{
    if (opts->nsource == 0) {
        osp_fail(err, OSP_EUSAGE, "no profile source specified");
        return NULL;
    }
    if (opts->nsource > 1 || opts->nbase) {
        osp_fail(err, OSP_EUSAGE, "one profile at a time, not `%s` too",
                 opts->nbase ? opts->base[0] : opts->source[1]);
        return NULL;
    }
    osp_source *s = calloc(1, sizeof *s);
    if (!s) {
        osp_fail_memory(err, "fetching profiles");
        return NULL;
    }
    s->all_frames = opts->all_frames;
    s->raw_names = opts->symbolize && (strcmp(opts->symbolize, "none") == 0 || strcmp(opts->symbolize, "no") == 0);
    s->profile = osp_format_open(opts->source[0], NULL, NULL, err);
    if (s->profile)
        return s;
    osp_source_close(s);
    return NULL;
}

void osp_source_close(osp_source *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->object && i < s->profile->mappings.n; i++)
        osp_object_close(s->object[i]);
    free(s->object);
    osp_profile_drop(s->profile);
    free(s);
}

const osp_profile *osp_source_profile(const osp_source *s) { return s->profile; }

void osp_source_prepare(const osp_source *s, osp_query *q)
{
    q->keep_all_frames = s->all_frames;
    q->raw_names = s->raw_names;
    q->demangle = s->raw_names ? NULL : osp_brief_name;
}

osp_object *osp_source_object(osp_source *s, osp_mapping_id mapping, osp_err *err)
{
    const osp_profile *p = s->profile;
    osp_str file = mapping.i < p->mappings.n ? osp_text(p, p->mappings.row[mapping.i].file) : S("");
    if (!s->object)
        s->object = calloc(p->mappings.n, sizeof *s->object);
    if (!s->object || !file.n) {
        osp_fail(err, OSP_EABSENT, "the profile does not say which file was mapped there");
        return NULL;
    }
    osp_object **at = &s->object[mapping.i];
    if (*at)
        return *at;
    char path[4096];
    OSP_AUTO_CLOSE int fd = open(osp_str_z(file, path, sizeof path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        osp_fail(err, OSP_EABSENT, "%s: cannot be opened", path);
    else
        *at = osp_object_open_fd(fd, path, NULL, err);
    return *at;
}
