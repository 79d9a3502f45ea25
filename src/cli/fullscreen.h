/* SPDX-License-Identifier: Apache-2.0 */
/* cli/fullscreen.h: the whole terminal, for a while. Whatever ends the program (the user, a signal, a crash of ours), the
 * terminal is given back as it was. One at a time. */
#ifndef OSP_FULLSCREEN_H
#define OSP_FULLSCREEN_H

#include "cli/cells.h"
#include "cli/keys.h"

/* Can it be had: standard output is a terminal that can move its cursor, and there are keys to read? */
bool osp_fullscreen_possible(void);

bool osp_fullscreen_open(osp_err *err) OSP_CHECKED;
void osp_fullscreen_close(void);

/* How large the terminal is now. */
void osp_fullscreen_size(int *columns, int *rows);

/* Show these cells. False if the terminal is gone. */
bool osp_fullscreen_show(const osp_grid *g, osp_palette palette);

/* The terminal shows something else now (after it was stopped and went on): draw all of it next time. */
void osp_fullscreen_forget(void);

/* The next key, or OSP_KEY_RESIZE, OSP_KEY_STOP; OSP_KEY_NONE after so many milliseconds (-1: never), or when wake (a
 * descriptor, -1 = none) can be read. Ctrl-Z stops us as it should. */
uint32_t osp_fullscreen_key(int wait_ms, int wake);

/* Run a program on the ordinary screen and wait for a key before coming back. */
void osp_fullscreen_run(char *const *argv);

/* After the close: end by the signal that asked for it, if one did, so that a shell sees it. */
void osp_fullscreen_obey(void);

#endif
