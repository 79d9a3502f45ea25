/* SPDX-License-Identifier: Apache-2.0 */
/* osprey completion bash|zsh|fish: scripts that know the table of commands, so that nothing is kept twice. */
#include "cli/cli_internal.h"

/* ---- bash -------------------------------------------------------------------------------------------------- */

static void bash(osp_buf *out, const osp_command *const *table)
{
    osp_buf_add(out, S("# bash completion for osprey\n_osprey() {\n"
                       "    local cur=${COMP_WORDS[COMP_CWORD]} options= words= pids=\n"
                       "    COMPREPLY=()\n"
                       "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                       "        words=\""));
    for (const osp_command *const *c = table; *c; c++)
        osp_buf_fmt(out, "%s%s", c == table ? "" : " ", (*c)->name);
    osp_buf_add(out, S("\"\n"
                       "    else\n"
                       "        case ${COMP_WORDS[1]} in\n"));
    for (const osp_command *const *c = table; *c; c++) {
        osp_buf_fmt(out, "        %s)", (*c)->name);
        if (osp_command_option(*c, 0))
            osp_buf_add(out, S(" options=\""));
        const osp_option *o;
        for (size_t i = 0; (o = osp_command_option(*c, i)); i++)
            osp_buf_fmt(out, "%s%s%s", i ? " " : "", osp_command_dashes(*c), o->name);
        if (osp_command_option(*c, 0))
            osp_buf_byte(out, '"');
        if (osp_command_takes_pid(*c))
            osp_buf_add(out, S(" pids=1"));
        if (strcmp((*c)->name, "help") == 0) {
            osp_buf_add(out, S(" words=\""));
            for (const osp_command *const *w = table; *w; w++)
                osp_buf_fmt(out, "%s%s", w == table ? "" : " ", (*w)->name);
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
        osp_buf_fmt(out, "    %s)\n        _arguments", (*c)->name);
        const osp_option *o;
        for (size_t i = 0; (o = osp_command_option(*c, i)); i++)
            zsh_option(out, osp_command_dashes(*c), o);
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

/* ---- fish -------------------------------------------------------------------------------------------------- */

static void fish(osp_buf *out, const osp_command *const *table)
{
    osp_buf_add(out, S("# fish completion for osprey\n"));
    for (const osp_command *const *c = table; *c; c++) {
        osp_buf_fmt(out, "complete -c osprey -n __fish_use_subcommand -f -a %s -d '", (*c)->name);
        add_quoted(out, (*c)->summary, "\\");
        osp_buf_add(out, S("'\n"));
        const osp_option *o;
        for (size_t i = 0; (o = osp_command_option(*c, i)); i++) {
            osp_buf_fmt(out, "complete -c osprey -n '__fish_seen_subcommand_from %s' -%c %s", (*c)->name,
                        (*c)->own_words ? 'o' : 'l', o->name);
            if (o->letter)
                osp_buf_fmt(out, " -s %c", o->letter);
            osp_buf_fmt(out, "%s -d '", o->arg ? " -r" : "");
            add_quoted(out, o->help, "\\");
            osp_buf_add(out, S("'\n"));
        }
        if (strcmp((*c)->name, "help") == 0)
            for (const osp_command *const *w = table; *w; w++)
                osp_buf_fmt(out, "complete -c osprey -n '__fish_seen_subcommand_from help' -f -a %s\n", (*w)->name);
        if (osp_command_takes_pid(*c))
            osp_buf_fmt(out, "complete -c osprey -n '__fish_seen_subcommand_from %s' -a '(__fish_complete_pids)'\n",
                        (*c)->name);
    }
}

bool osp_completion(osp_buf *out, const osp_command *const *table, osp_str shell)
{
    if (osp_str_eq(shell, S("bash")))
        bash(out, table);
    else if (osp_str_eq(shell, S("zsh")))
        zsh(out, table);
    else if (osp_str_eq(shell, S("fish")))
        fish(out, table);
    else
        return false;
    return true;
}

/* ---- the command ------------------------------------------------------------------------------------------- */

static const char *const examples[] = {
    "completion bash",
    "completion bash > /etc/bash_completion.d/osprey",
    "completion zsh > ~/.zfunc/_osprey",
    "completion fish > ~/.config/fish/completions/osprey.fish",
    NULL,
};

static int cmd_completion(const osp_cli *cli)
{
    if (cli->noperand != 1)
        return osp_cli_usage(cli, "which shell? bash, zsh or fish");
    osp_buf out = osp_buf_of(1 << 20);
    int status = OSP_EXIT_DONE;
    if (!osp_completion(&out, osp_commands, osp_str_from(cli->operand[0])))
        status = osp_cli_usage(cli, "`%s` is none of bash, zsh, fish", cli->operand[0]);
    else if (!osp_cli_print(osp_buf_str(&out)))
        status = OSP_EXIT_FAILED;
    osp_buf_drop(&out);
    return status;
}

const osp_command osp_command_completion = {
    .name = "completion",
    .args = "bash|zsh|fish",
    .summary = "print a script that teaches a shell to complete osprey's commands and options",
    .examples = examples,
    .run = cmd_completion,
};
