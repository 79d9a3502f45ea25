/* SPDX-License-Identifier: Apache-2.0 */
/* osprey completion bash|zsh|fish: scripts that know the table of commands, so that nothing is kept twice. */
#include "cli/cli_internal.h"

#include <stdio.h>

/* ---- bash -------------------------------------------------------------------------------------------------- */

static void bash_options(osp_buf *out, const osp_command *c)
{
    const osp_option *o;
    for (size_t i = 0; (o = osp_command_option(c, i)); i++)
        osp_buf_fmt(out, "%s%s%s", i ? " " : "", osp_command_dashes(c), o->name);
}

static void bash_commands(osp_buf *out, const osp_command *const *table)
{
    for (const osp_command *const *c = table; *c; c++)
        osp_buf_fmt(out, "%s%s", c == table ? "" : " ", (*c)->name);
}

static void bash(osp_buf *out, const osp_command *const *table)
{
    osp_buf_add(out, S("# bash completion for osprey\n_osprey() {\n"
                       "    local cur=${COMP_WORDS[COMP_CWORD]} options= words= pids=\n"
                       "    COMPREPLY=()\n"
                       "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                       "        words=\""));
    bash_commands(out, table);
    osp_buf_add(out, S("\"\n"
                       "    else\n"
                       "        case ${COMP_WORDS[1]} in\n"));
    for (const osp_command *const *c = table; *c; c++) {
        osp_buf_fmt(out, "        %s)", (*c)->name);
        if (osp_command_option(*c, 0)) {
            osp_buf_add(out, S(" options=\""));
            bash_options(out, *c);
            osp_buf_byte(out, '"');
        }
        if (osp_command_takes_pid(*c))
            osp_buf_add(out, S(" pids=1"));
        if (strcmp((*c)->name, "help") == 0) {
            osp_buf_add(out, S(" words=\""));
            bash_commands(out, table);
            osp_buf_byte(out, '"');
        }
        osp_buf_add(out, S(" ;;\n"));
    }
    osp_buf_add(out, S("        esac\n"
                       "        [ -z \"$pids\" ] || words=$(cd /proc && echo [0-9]*)\n"
                       "    fi\n"
                       "    case $cur in\n"
                       "    -*) words=$options ;;\n"
                       "    esac\n"
                       "    [ -z \"$words\" ] || mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                       "}\n"
                       "complete -o default -F _osprey osprey\n"));
}

static void bash_alone(osp_buf *out, const osp_command *c)
{
    osp_buf_fmt(out,
                "# bash completion for osprey, called %s\n_osprey_%s() {\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]}\n"
                "    COMPREPLY=()\n"
                "    case $cur in\n"
                "    -*) mapfile -t COMPREPLY < <(compgen -W \"",
                c->name, c->name);
    bash_options(out, c);
    osp_buf_fmt(out,
                "\" -- \"$cur\") ;;\n"
                "    esac\n"
                "}\n"
                "complete -o default -F _osprey_%s %s\n",
                c->name, c->name);
}

/* ---- zsh --------------------------------------------------------------------------------------------------- */

/* Text inside '...' and, where special, with a backslash before it. */
static void add_quoted(osp_buf *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'') {
            osp_buf_add(out, S("'\\''"));
            continue;
        }
        if (strchr(special, *text))
            osp_buf_byte(out, '\\');
        osp_buf_byte(out, (uint8_t)*text);
    }
}

static void zsh_option(osp_buf *out, const char *dashes, const osp_option *o)
{
    osp_buf_add(out, S(" \\\n            "));
    if (o->letter)
        osp_buf_fmt(out, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
    else
        osp_buf_fmt(out, "'%s%s[", dashes, o->name);
    add_quoted(out, o->help, "[]:\\");
    osp_buf_byte(out, ']');
    if (o->arg) {
        osp_buf_byte(out, ':');
        add_quoted(out, o->arg, ":\\");
        osp_buf_add(out, strcmp(o->name, "pid") == 0 ? S(":_pids") : S(":_files"));
    }
    osp_buf_byte(out, '\'');
}

static void zsh_options(osp_buf *out, const osp_command *c)
{
    const osp_option *o;
    osp_buf_add(out, S("_arguments"));
    for (size_t i = 0; (o = osp_command_option(c, i)); i++)
        zsh_option(out, osp_command_dashes(c), o);
}

static void zsh(osp_buf *out, const osp_command *const *table)
{
    osp_buf_add(out, S("#compdef osprey\n_osprey() {\n    local -a commands\n    commands=(\n"));
    for (const osp_command *const *c = table; *c; c++) {
        osp_buf_fmt(out, "        '%s:", (*c)->name);
        add_quoted(out, (*c)->summary, ":\\");
        osp_buf_add(out, S("'\n"));
    }
    osp_buf_add(out, S("    )\n"
                       "    if (( CURRENT == 2 )); then\n"
                       "        _describe command commands\n"
                       "        return\n"
                       "    fi\n"
                       "    local command=$words[2]\n"
                       "    shift words\n"
                       "    (( CURRENT-- ))\n"
                       "    case $command in\n"));
    for (const osp_command *const *c = table; *c; c++) {
        osp_buf_fmt(out, "    %s)\n        ", (*c)->name);
        zsh_options(out, *c);
        if (strcmp((*c)->name, "help") == 0)
            osp_buf_add(out, S(" \\\n            '1:command:{_describe command commands}'"));
        else if (osp_command_takes_pid(*c))
            osp_buf_add(out, S(" \\\n            '*:process:_pids'"));
        else
            osp_buf_add(out, S(" \\\n            '*:file:_files'"));
        osp_buf_add(out, S("\n        ;;\n"));
    }
    osp_buf_add(out, S("    esac\n}\n"
                       "# Read by zsh's completion from its path, or by a person with source.\n"
                       "if [ \"$funcstack[1]\" = _osprey ]; then _osprey \"$@\"; else compdef _osprey osprey; fi\n"));
}

static void zsh_alone(osp_buf *out, const osp_command *c)
{
    osp_buf_fmt(out, "#compdef %s\n_osprey_%s() {\n    ", c->name, c->name);
    zsh_options(out, c);
    osp_buf_fmt(out,
                " \\\n            '*:file:_files'\n}\n"
                "if [ \"$funcstack[1]\" = _%s ]; then _osprey_%s \"$@\"; else compdef _osprey_%s %s; fi\n",
                c->name, c->name, c->name, c->name);
}

/* ---- fish -------------------------------------------------------------------------------------------------- */

/* Those of a command; `of` says whose they are. */
static void fish_options(osp_buf *out, const osp_command *c, const char *of)
{
    const osp_option *o;
    for (size_t i = 0; (o = osp_command_option(c, i)); i++) {
        osp_buf_fmt(out, "complete %s -%c %s", of, c->own_words ? 'o' : 'l', o->name);
        if (o->letter)
            osp_buf_fmt(out, " -s %c", o->letter);
        osp_buf_fmt(out, "%s -d '", o->arg ? " -r" : "");
        add_quoted(out, o->help, "\\");
        osp_buf_add(out, S("'\n"));
    }
}

static void fish_alone(osp_buf *out, const osp_command *c)
{
    char of[64];
    snprintf(of, sizeof of, "-c %s", c->name);
    osp_buf_fmt(out, "# fish completion for osprey, called %s\n", c->name);
    fish_options(out, c, of);
}

static void fish(osp_buf *out, const osp_command *const *table)
{
    osp_buf_add(out, S("# fish completion for osprey\n"));
    for (const osp_command *const *c = table; *c; c++) {
        osp_buf_fmt(out, "complete -c osprey -n __fish_use_subcommand -f -a %s -d '", (*c)->name);
        add_quoted(out, (*c)->summary, "\\");
        osp_buf_add(out, S("'\n"));
        char of[96];
        snprintf(of, sizeof of, "-c osprey -n '__fish_seen_subcommand_from %s'", (*c)->name);
        fish_options(out, *c, of);
        if (strcmp((*c)->name, "help") == 0)
            for (const osp_command *const *w = table; *w; w++)
                osp_buf_fmt(out, "complete -c osprey -n '__fish_seen_subcommand_from help' -f -a %s\n", (*w)->name);
        if (osp_command_takes_pid(*c))
            osp_buf_fmt(out, "complete -c osprey -n '__fish_seen_subcommand_from %s' -a '(__fish_complete_pids)'\n",
                        (*c)->name);
    }
}

static const struct {
    const char *name;
    void (*all)(osp_buf *out, const osp_command *const *table);
    void (*alone)(osp_buf *out, const osp_command *c);
} shells[] = {{"bash", bash, bash_alone}, {"zsh", zsh, zsh_alone}, {"fish", fish, fish_alone}};

bool osp_completion(osp_buf *out, const osp_command *const *table, const osp_command *alone, osp_str shell)
{
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (osp_str_eq(shell, osp_str_from(shells[i].name))) {
            if (alone)
                shells[i].alone(out, alone);
            else
                shells[i].all(out, table);
            return true;
        }
    return false;
}

/* ---- the command ------------------------------------------------------------------------------------------- */

static const char *const examples[] = {
    "completion bash",
    "completion bash > /etc/bash_completion.d/osprey",
    "completion zsh > ~/.zfunc/_osprey",
    "completion fish > ~/.config/fish/completions/osprey.fish",
    "completion bash pprof > /etc/bash_completion.d/pprof",
    NULL,
};

static int cmd_completion(const osp_cli *cli)
{
    if (cli->noperand < 1 || cli->noperand > 2)
        return osp_cli_usage(cli, "which shell? bash, zsh or fish");
    const osp_command *alone = NULL;
    if (cli->noperand == 2) {
        if (strcmp(cli->operand[1], "pprof") != 0)
            return osp_cli_usage(cli, "osprey can be called pprof, not `%s`", cli->operand[1]);
        alone = osp_command_find(osp_commands, S("pprof"));
    }
    osp_buf out = osp_buf_of(1 << 20);
    int status = OSP_EXIT_DONE;
    if (!osp_completion(&out, osp_commands, alone, osp_str_from(cli->operand[0])))
        status = osp_cli_usage(cli, "`%s` is none of bash, zsh, fish", cli->operand[0]);
    else if (!osp_cli_print(osp_buf_str(&out)))
        status = OSP_EXIT_FAILED;
    osp_buf_drop(&out);
    return status;
}

const osp_command osp_command_completion = {
    .name = "completion",
    .args = "bash|zsh|fish [pprof]",
    .summary = "print a script that teaches a shell to complete osprey's commands and options",
    .examples = examples,
    .run = cmd_completion,
};
