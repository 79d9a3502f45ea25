/* SPDX-License-Identifier: Apache-2.0 */
/* cli/keys.h: what a terminal sends for keys, decoded. */
#ifndef OSP_KEYS_H
#define OSP_KEYS_H

#include "base/str.h"

/* A key is a character, or one of these. */
enum {
    OSP_KEY_NONE = 0,
    OSP_KEY_ENTER = '\r',
    OSP_KEY_ESC = 27,
    OSP_KEY_BACKSPACE = 127,
    OSP_KEY_UP = 0x110000, /* behind all of Unicode */
    OSP_KEY_DOWN,
    OSP_KEY_LEFT,
    OSP_KEY_RIGHT,
    OSP_KEY_HOME,
    OSP_KEY_END,
    OSP_KEY_PAGE_UP,
    OSP_KEY_PAGE_DOWN,
    OSP_KEY_OTHER,  /* one that nobody here asks for */
    OSP_KEY_RESIZE, /* not keys: the terminal has another size; */
    OSP_KEY_STOP,   /* somebody wants us to end */
};

#define OSP_CTRL(letter) ((letter)&0x1f)

/* The key that the bytes begin with, and how many of them it takes; 0 if more must come. final: nothing more has come
 * for a while, so that an escape stands for itself. */
size_t osp_key_decode(osp_str bytes, bool final, uint32_t *key);

#endif
