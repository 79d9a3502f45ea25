/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of pprof. Words by the grammar of Go's flag package:
 *
 *   -x  --x  -x=v  -x v      a switch takes a value only after "="; of two equal flags the last counts
 *   --                       what follows are operands
 *
 * A flag is an option of the table in report/config.c (each choice is a switch of its own), one about sources, an old
 * name of a sample type, or a command. */
#include "cli/cli_internal.h"
#include "cli/pprof_cli.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    osp_str base, diff_base, symbolize, build_id, comment, tools, http, tls_cert, tls_key, tls_ca;
    int64_t seconds, timeout, json_bytes;
    bool all_frames, no_browser, json;
    bool total_delay, mean_delay, contentions, inuse_space, inuse_objects, alloc_space, alloc_objects;
} extras;

#define EXTRA(name, kind, field, help)                                           \
    {                                                                            \
        name, OSP_FIELD_##kind, offsetof(extras, field), NULL, false, NULL, help \
    }
static const osp_field extra_fields[] = {
    EXTRA("base", TEXT, base, "SOURCE to subtract; may be given more than once"),
    EXTRA("diff_base", TEXT, diff_base, "SOURCE to compare with: percentages are of it"),
    EXTRA("seconds", INT, seconds, "how long a running program shall measure"),
    EXTRA("timeout", INT, timeout, "seconds to wait for a profile at most"),
    EXTRA("buildid", TEXT, build_id, "build id of the main binary, where the profile says none"),
    EXTRA("add_comment", TEXT, comment, "text to keep with the profile (shown by -comments)"),
    EXTRA("all_frames", BOOL, all_frames, "keep the frames that the profile wants to be dropped"),
    EXTRA("symbolize", TEXT, symbolize,
          "where names come from (none, local, fastlocal, remote, force, demangle=...)"),
    EXTRA("tools", TEXT, tools, "taken for pprof's sake; osprey needs no tools"),
    EXTRA("http", TEXT, http, "show the profile on a web page at [HOST]:[PORT]"),
    EXTRA("no_browser", BOOL, no_browser, "with -http: open no browser"),
    EXTRA("json", BOOL, json, "answer with one JSON object (top, tree, peek, traces, tags)"),
    EXTRA("json_bytes", INT, json_bytes, "its size at most: the lightest rows go; 0 = no limit"),
    EXTRA("tls_cert", TEXT, tls_cert, "file with the certificate to show to https servers"),
    EXTRA("tls_key", TEXT, tls_key, "file with the key of that certificate"),
    EXTRA("tls_ca", TEXT, tls_ca, "file with the authorities to trust"),
    EXTRA("total_delay", BOOL, total_delay, "the same as -sample_index=delay"),
    EXTRA("mean_delay", BOOL, mean_delay, "the same as -mean -sample_index=delay"),
    EXTRA("contentions", BOOL, contentions, "the same as -sample_index=contentions"),
    EXTRA("inuse_space", BOOL, inuse_space, "the same as -sample_index=inuse_space"),
    EXTRA("inuse_objects", BOOL, inuse_objects, "the same as -sample_index=inuse_objects"),
    EXTRA("alloc_space", BOOL, alloc_space, "the same as -sample_index=alloc_space"),
    EXTRA("alloc_objects", BOOL, alloc_objects, "the same as -sample_index=alloc_objects"),
};
#undef EXTRA

enum { NEXTRA = sizeof extra_fields / sizeof *extra_fields, MOST_COMMANDS = 96 };

typedef struct {
    extras x;
    uint32_t sort, granularity;       /* choices that were switched on, a bit each */
    const char *given[MOST_COMMANDS]; /* by place in osp_pprof_commands: NULL, or its argument */
} flags;

/* ---- one flag ------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const osp_field *field; /* in osp_config or, if it is extra, in extras */
    const osp_choice *choice;
    bool extra;
    const osp_pprof_command *command;
} flag;

static bool is_switch(const flag *f)
{
    return f->choice || (f->command ? !f->command->report->takes_argument : f->field->kind == OSP_FIELD_BOOL);
}

/* The i-th flag there is. */
static bool flag_at(size_t i, flag *out)
{
    size_t n = 0;
    for (const osp_pprof_command *c = osp_pprof_commands(); c->name; c++)
        if (n++ == i) {
            *out = (flag){.name = c->name, .command = c};
            return true;
        }
    for (const osp_field *f = osp_fields; f->name; f++) {
        if (!f->choices && n++ == i) {
            *out = (flag){.name = f->name, .field = f};
            return true;
        }
        for (const osp_choice *c = f->choices; c && c->name; c++)
            if (n++ == i) {
                *out = (flag){.name = c->name, .field = f, .choice = c};
                return true;
            }
    }
    if (i - n >= NEXTRA)
        return false;
    *out = (flag){.name = extra_fields[i - n].name, .field = &extra_fields[i - n], .extra = true};
    return true;
}

static bool find_flag(osp_str name, flag *out)
{
    for (size_t i = 0; flag_at(i, out); i++)
        if (osp_str_eq(name, osp_str_from(out->name)))
            return true;
    return false;
}

static bool not_defined(osp_str name, osp_buf *notes, osp_err *err)
{
    osp_guess meant = {.typed = name};
    flag f;
    size_t choices = 0;
    for (size_t i = 0; flag_at(i, &f); i++) {
        osp_guess_consider(&meant, f.name);
        if (f.choice && osp_str_eq(name, osp_str_from(f.field->name))) /* -sort=cum, as the shell has it */
            osp_buf_fmt(notes, "%s-%s", choices++ ? ", " : "on the command line it is one of ", f.name);
    }
    if (choices) {
        osp_buf_byte(notes, '\n');
        return osp_fail(err, OSP_EUSAGE, "flag provided but not defined: -%.*s", STRF(osp_str_head(name, 80)));
    }
    const char *nearest = osp_guess_taken(&meant);
    if (nearest)
        osp_buf_fmt(notes, "did you mean -%s?\n", nearest);
    return osp_fail(err, OSP_EUSAGE, "flag provided but not defined: -%.*s", STRF(osp_str_head(name, 80)));
}

static bool set_flag(const flag *f, const char *value, flags *to, osp_pprof_words *w, osp_err *err)
{
    if (f->field && !f->choice)
        return osp_field_set_flag(f->field, f->extra ? (void *)&to->x : (void *)&w->config, osp_str_from(value), err);
    const char **given = f->command ? &to->given[f->command - osp_pprof_commands()] : NULL;
    if (given && f->command->report->takes_argument) {
        *given = *value ? value : NULL;
        return true;
    }
    bool on = false;
    const osp_field as_bool = {.name = f->name, .kind = OSP_FIELD_BOOL};
    if (!osp_field_set_flag(&as_bool, &on, osp_str_from(value), err))
        return false;
    if (given) {
        *given = on ? "" : NULL;
        return true;
    }
    uint32_t bit = 1u << (f->choice - f->field->choices);
    uint32_t *chosen = strcmp(f->field->name, "sort") == 0 ? &to->sort : &to->granularity;
    *chosen = on ? *chosen | bit : *chosen & ~bit;
    return true;
}

/* ---- all words ------------------------------------------------------------------------------------------------ */

/* Where sources and bases are gathered: *out borrows these. */
typedef struct {
    const char **source, **base;
    size_t nsource, nbase;
} words_read;

/* Bases add up; an empty one takes back those before it. */
static void keep_base(const flag *f, const char *value, words_read *w)
{
    if (!f->extra || (strcmp(f->name, "base") != 0 && strcmp(f->name, "diff_base") != 0))
        return;
    if (*value)
        w->base[w->nbase++] = value;
    else
        w->nbase = 0;
}

static bool sort_words(char *const *words, size_t n, flags *f, words_read *r, osp_pprof_words *w, osp_buf *notes,
                       osp_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *word = words[i];
        if (word[0] != '-' || !word[1]) {
            r->source[r->nsource++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            while (++i < n)
                r->source[r->nsource++] = words[i];
            break;
        }
        osp_str rest = osp_str_skip(osp_str_from(word), word[1] == '-' ? 2 : 1);
        if (rest.p[0] == '-' || rest.p[0] == '=')
            return osp_fail(err, OSP_EUSAGE, "bad flag syntax: %s", word);
        osp_str name = osp_str_cut(&rest, '=');
        const char *value = name.p[name.n] == '=' ? rest.p : NULL;
        flag k;
        if (!find_flag(name, &k)) {
            w->help = osp_str_eq(name, S("h")) || osp_str_eq(name, S("help"));
            return w->help || not_defined(name, notes, err);
        }
        if (!value && !is_switch(&k) && i + 1 == n)
            return osp_fail(err, OSP_EUSAGE, "flag needs an argument: -%s", k.name);
        if (!value && !is_switch(&k))
            value = words[++i];
        if (!set_flag(&k, value ? value : "true", f, w, err))
            return false;
        if (value)
            keep_base(&k, value, r);
    }
    return true;
}

static bool choose(uint32_t chosen, const osp_choice *choices, osp_str *to, osp_err *err)
{
    char names[80] = "";
    size_t n = 0;
    for (size_t i = 0; choices[i].name; i++)
        if (chosen & 1u << i) {
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? " " : "", choices[i].name);
            *to = osp_str_from(choices[i].name);
        }
    return __builtin_popcount(chosen) < 2 || osp_fail(err, OSP_EUSAGE, "conflicting options set: [%s]", names);
}

static bool choose_command(const flags *f, osp_pprof_words *w, osp_err *err)
{
    const osp_pprof_command *all = osp_pprof_commands();
    for (size_t i = 0; all[i].name; i++) {
        if (!f->given[i])
            continue;
        if (w->command)
            return osp_fail(err, OSP_EUSAGE, "must set at most one output format");
        w->command = &all[i];
        w->argument = osp_str_from(f->given[i]);
    }
    return true;
}

/* The sample type by the flags that pprof had before -sample_index. The first that is given counts. */
static void choose_type(const extras *x, osp_config *c, osp_buf *notes)
{
    const struct {
        bool given;
        const char *flag, *type;
    } old[] = {
        {x->total_delay, "-total_delay", "delay"},
        {x->mean_delay, "-mean_delay", "delay"},
        {x->contentions, "-contentions", "contentions"},
        {x->inuse_space, "-inuse_space", "inuse_space"},
        {x->inuse_objects, "-inuse_objects", "inuse_objects"},
        {x->alloc_space, "-alloc_space", "alloc_space"},
        {x->alloc_objects, "-alloc_objects", "alloc_objects"},
    };
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        if (!old[i].given)
            continue;
        if (c->sample_index.n)
            osp_buf_fmt(notes, "Multiple value selections, ignoring %s\n", old[i].flag);
        else
            c->sample_index = osp_str_from(old[i].type);
    }
    c->mean |= x->mean_delay;
}

static const char *text_or_null(osp_str s) { return s.n ? s.p : NULL; }

static void keep_extras(const extras *x, const words_read *r, osp_pprof_words *w)
{
    w->http = x->http;
    w->config.json = x->json;
    w->config.json_bytes = x->json_bytes < 0 ? 0 : x->json_bytes;
    w->no_browser = x->no_browser;
    w->source = (osp_source_opts){
        .source = r->source,
        .nsource = r->nsource,
        .base = r->base,
        .nbase = r->nbase,
        .diff_base = r->nbase && x->diff_base.n,
        .normalize = w->config.normalize,
        .all_frames = x->all_frames,
        .seconds = x->seconds,
        .timeout = x->timeout,
        .build_id = text_or_null(x->build_id),
        .comment = text_or_null(x->comment),
        .symbolize = text_or_null(x->symbolize),
        .tools = text_or_null(x->tools),
        .tls_cert = text_or_null(x->tls_cert),
        .tls_key = text_or_null(x->tls_key),
        .tls_ca = text_or_null(x->tls_ca),
    };
}

/* The first of several sources may be an object file: the binary. */
static void take_binary(osp_source_opts *s)
{
    if (s->nsource > 1 && osp_is_object_file(s->source[0])) {
        s->binary = s->source[0];
        s->source++;
        s->nsource--;
    }
}

/* In the order of the peer, so that of two mistakes the same one is named. */
static bool conclude(const flags *f, osp_pprof_words *w, osp_buf *notes, osp_err *err)
{
    const osp_choice *none;
    if (w->source.nsource == 0)
        return osp_fail(err, OSP_EUSAGE, "no profile source specified");
    take_binary(&w->source);
    if (!choose(f->sort, osp_field_named(S("sort"), &none)->choices, &w->config.sort, err) ||
        !choose(f->granularity, osp_field_named(S("granularity"), &none)->choices, &w->config.granularity, err) ||
        !choose_command(f, w, err))
        return false;
    if (w->command && f->x.http.n)
        return osp_fail(err, OSP_EUSAGE, "-http is not compatible with an output format on the command line");
    if (f->x.no_browser && !f->x.http.n)
        return osp_fail(err, OSP_EUSAGE, "-no_browser only makes sense with -http");
    choose_type(&f->x, &w->config, notes);
    if (f->x.base.n && f->x.diff_base.n)
        return osp_fail(err, OSP_EUSAGE, "-base and -diff_base flags cannot both be specified");
    if (w->config.normalize && w->source.nbase == 0)
        return osp_fail(err, OSP_EUSAGE, "must have base profile to normalize by");
    return true;
}

bool osp_pprof_words_read(char *const *words, size_t n, osp_arena *a, osp_pprof_words *out, osp_buf *notes,
                          osp_err *err)
{
    flags f = {
        .x = {.seconds = -1, .timeout = -1, .json_bytes = 1 << 16, .tools = osp_str_from(getenv("PPROF_TOOLS"))}};
    words_read r = {.source = osp_new(a, const char *, n + 1), .base = osp_new(a, const char *, n + 1)};
    *out = (osp_pprof_words){.config = osp_config_defaults()};
    if (!r.source || !r.base)
        return osp_fail_memory(err, "reading the command line");
    bool sorted = sort_words(words, n, &f, &r, out, notes, err);
    if (!sorted || (r.nsource == 0 && !out->help))
        osp_buf_add(notes, S("try  osprey pprof -h\n"));
    if (!sorted)
        return false;
    keep_extras(&f.x, &r, out);
    return out->help || conclude(&f, out, notes, err);
}

/* ---- for help and completions --------------------------------------------------------------------------------- */

static const char *argument_name(const flag *f)
{
    if (is_switch(f))
        return NULL;
    if (f->command)
        return "REGEXP";
    return f->field->kind == OSP_FIELD_TEXT ? "TEXT" : "NUMBER";
}

static osp_str first_line(const flag *f)
{
    osp_str lines = osp_str_from(f->command ? f->command->summary : f->choice ? f->choice->help : f->field->help);
    return osp_str_cut(&lines, '\n');
}

const osp_option *osp_pprof_option(size_t i)
{
    enum { MOST = 256 };
    static osp_option option[MOST]; /* made at the first ask */
    static char help[MOST][120];
    flag f;
    if (!option[0].name)
        for (size_t k = 0; k < MOST && flag_at(k, &f); k++)
            option[k] =
                (osp_option){f.name, 0, argument_name(&f), osp_str_z(first_line(&f), help[k], sizeof help[k])};
    return i < MOST && option[i].name ? &option[i] : NULL;
}
