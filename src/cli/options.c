/* SPDX-License-Identifier: Apache-2.0 */
/* The command line by a command's table.
 *
 *   --name=VALUE  --name VALUE  -name=VALUE  -name VALUE     Go's tools write one dash, others two: both do
 *   -n VALUE  -nVALUE  -n=VALUE                              by the letter; a whole name wins over a letter
 *   --                                                       what follows is no option: the command to start, or
 *                                                            operands where the command starts none
 *   -                                                        an operand
 *
 * Options and operands may stand in any order; the last of two equal options wins. */
#include "cli/cli_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static const osp_option common[] = {
    {"color", 0, "WHEN", "auto, always or never: colours, where stdout is a terminal (auto)"},
    {"help", 'h', NULL, "say how this command is used"},
};
static const osp_option by_pid = {"pid", 'p', "PID", "the process, instead of an operand"};

enum { COMMON = sizeof common / sizeof common[0] };

const osp_command *osp_command_find(const osp_command *const *table, osp_str name)
{
    for (; *table; table++)
        if (osp_str_eq(osp_str_from((*table)->name), name))
            return *table;
    return NULL;
}

const char *osp_command_dashes(const osp_command *command) { return command->own_words ? "-" : "--"; }
bool osp_command_takes_pid(const osp_command *command) { return strstr(command->args, "PID") != NULL; }
static bool takes_rest(const osp_command *command) { return strstr(command->args, "-- ") != NULL; }

const osp_option *osp_command_option(const osp_command *command, size_t i)
{
    size_t own = 0;
    if (command->own_words)
        return command->own_option ? command->own_option(i) : NULL;
    if (command->options)
        while (own < i && command->options[own].name)
            own++;
    if (command->options && own == i && command->options[i].name)
        return &command->options[i];
    i -= own;
    if (osp_command_takes_pid(command)) {
        if (i == 0)
            return &by_pid;
        i--;
    }
    return i < COMMON ? &common[i] : NULL;
}

static bool unknown_option(const osp_command *command, osp_str word, osp_str name, osp_err *err)
{
    osp_guess meant = {.typed = name};
    const osp_option *o;
    for (size_t i = 0; (o = osp_command_option(command, i)); i++)
        osp_guess_consider(&meant, o->name);
    const char *nearest = osp_guess_taken(&meant);
    return nearest ? osp_fail(err, OSP_EUSAGE, "unknown option %.*s; did you mean --%s?", STRF(word), nearest)
                   : osp_fail(err, OSP_EUSAGE, "unknown option %.*s", STRF(word));
}

int osp_cli_unknown_command(osp_str word)
{
    osp_err err = {0};
    uint64_t pid;
    osp_guess meant = {.typed = word};
    const osp_str shown = osp_str_head(word, 80);
    for (const osp_command *const *c = osp_commands; *c; c++)
        osp_guess_consider(&meant, (*c)->name);
    const char *nearest = osp_guess_taken(&meant);
    if (osp_str_u64(word, 10, &pid))
        osp_fail(&err, OSP_EUSAGE, "what about process %.*s?\ntry  osprey why %.*s", STRF(shown), STRF(shown));
    else if (nearest)
        osp_fail(&err, OSP_EUSAGE, "there is no command `%.*s`; did you mean `%s`?", STRF(shown), nearest);
    else
        osp_fail(&err, OSP_EUSAGE, "there is no command `%.*s`\ntry  osprey help", STRF(shown));
    return osp_cli_fail(&err);
}

/* What one word that starts with a dash says. */
typedef struct {
    size_t index;             /* of the option */
    const osp_option *option; /* NULL: unknown */
    const char *value;        /* in the same word, or NULL */
    osp_str name;             /* as typed, for messages */
} spelling;

/* Two tools' habits: --sample-index, -sample_index. */
static bool same_option(const char *known, osp_str typed)
{
    size_t i = 0;
    while (i < typed.n && known[i] && (known[i] == typed.p[i] || (known[i] == '-' && typed.p[i] == '_')))
        i++;
    return i == typed.n && !known[i];
}

static spelling read_option(const osp_command *command, const char *word)
{
    spelling s = {.name = osp_str_skip(osp_str_from(word), word[1] == '-' ? 2 : 1)};
    bool one_dash = word[1] != '-';
    osp_str rest = s.name;
    s.name = osp_str_cut(&rest, '=');
    const char *equals = s.name.p[s.name.n] == '=' ? s.name.p + s.name.n + 1 : NULL;
    const osp_option *o;
    for (size_t i = 0; (o = osp_command_option(command, i)); i++)
        if (same_option(o->name, s.name) || (one_dash && s.name.n == 1 && o->letter == s.name.p[0]))
            return (spelling){i, o, equals, s.name};
    for (size_t i = 0; one_dash && s.name.n && (o = osp_command_option(command, i)); i++)
        if (o->letter && o->letter == s.name.p[0] && o->arg)
            return (spelling){i, o, s.name.p + 1, osp_str_head(s.name, 1)};
    return s;
}

bool osp_cli_parse(const osp_command *command, char *const *words, size_t nwords, osp_arena *a, osp_cli *out,
                   osp_err *err)
{
    size_t noption = 0;
    while (!command->own_words && osp_command_option(command, noption))
        noption++;
    const char **value = osp_new(a, const char *, noption + 1);
    char **operand = osp_new(a, char *, nwords + 1);
    if (!value || !operand)
        return osp_fail_memory(err, "reading the command line");
    *out = (osp_cli){.command = command, .value = value, .operand = operand, .columns = 80};
    for (size_t i = 0; i < nwords; i++) {
        char *word = words[i];
        if (command->own_words || word[0] != '-' || !word[1]) {
            operand[out->noperand++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0 && takes_rest(command)) {
            out->rest = osp_new(a, char *, nwords - i);
            if (!out->rest)
                return osp_fail_memory(err, "reading the command line");
            while (++i < nwords)
                out->rest[out->nrest++] = words[i];
            break;
        }
        if (strcmp(word, "--") == 0) {
            while (++i < nwords)
                operand[out->noperand++] = words[i];
            break;
        }
        spelling s = read_option(command, word);
        if (!s.option)
            return unknown_option(command, osp_str_head(osp_str_from(word), (size_t)(s.name.p + s.name.n - word)),
                                  s.name, err);
        if (!s.option->arg && s.value)
            return osp_fail(err, OSP_EUSAGE, "option --%s takes no value", s.option->name);
        if (s.option->arg && !s.value) {
            if (i + 1 == nwords)
                return osp_fail(err, OSP_EUSAGE, "option --%s wants %s", s.option->name, s.option->arg);
            s.value = words[++i];
        }
        value[s.index] = s.value ? s.value : "";
    }
    return true;
}

static const osp_option *find_option(const osp_cli *cli, const char *option, size_t *at)
{
    const osp_option *o;
    for (*at = 0; (o = osp_command_option(cli->command, *at)); ++*at)
        if (strcmp(o->name, option) == 0)
            return o;
    assert(!"an option that is in the command's table");
    return NULL;
}

const char *osp_cli_value(const osp_cli *cli, const char *option)
{
    size_t at;
    return find_option(cli, option, &at) ? cli->value[at] : NULL;
}

/* What a unit of time makes of a number of seconds: 500ms, 1s, 2m, 1h. 0: it is none. */
static double unit_of_time(const char *unit)
{
    static const struct {
        const char *name;
        double seconds;
    } all[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"h", 3600}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(unit, all[i].name) == 0)
            return all[i].seconds;
    return 0;
}

bool osp_cli_number(const osp_cli *cli, const char *option, double min, double max, double fallback, double *out)
{
    const char *text = osp_cli_value(cli, option);
    *out = fallback;
    if (!text)
        return true;
    char *end;
    size_t at;
    const bool is_time = strcmp(find_option(cli, option, &at)->arg, "SECONDS") == 0;
    double v = strtod(text, &end);
    const double unit = is_time ? unit_of_time(end) : !*end;
    v *= unit;
    if (end == text || unit == 0 || !isfinite(v) || v < min || v > max) {
        osp_cli_usage(cli, "option --%s wants a number from %g to %g, not `%s`", option, min, max, text);
        return false;
    }
    *out = v;
    return true;
}

bool osp_cli_pid(const osp_cli *cli, int *pid, int *status)
{
    const char *text = osp_cli_value(cli, "pid");
    uint64_t v = 0;
    if (!text)
        text = cli->noperand ? cli->operand[0] : NULL;
    else if (cli->noperand) {
        *status = osp_cli_usage(cli, "both --pid %s and `%s` are given: which one?", text, cli->operand[0]);
        return false;
    }
    if (!text)
        *status = osp_cli_usage(cli, "which process? %s", cli->command->args);
    else if (!osp_str_u64(osp_str_from(text), 10, &v) || v == 0 || v > INT32_MAX)
        *status = osp_cli_usage(cli, "`%s` is no process id", text);
    else if (cli->noperand > 1)
        *status = osp_cli_usage(cli, "one process at a time, not `%s` too", cli->operand[1]);
    else {
        *pid = (int)v;
        return true;
    }
    return false;
}

bool osp_cli_target(const osp_cli *cli, int *pid, int *status)
{
    *pid = 0;
    if (cli->nrest == 0)
        return osp_cli_pid(cli, pid, status);
    if (cli->noperand == 0)
        return true;
    *status = osp_cli_usage(cli, "give a pid or a command after --, not both");
    return false;
}
