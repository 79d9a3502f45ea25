/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as xterm, the Linux console, rxvt, screen and tmux send them:
 *
 *     ESC [ A            arrows, Home and End; ESC O A in application mode
 *     ESC [ 5 ~          Home 1 7, End 4 8, Page Up 5, Page Down 6; a second number says which of Shift, Alt, Ctrl is held
 *     ESC [ 1 ; 5 A      the same for arrows
 */
#include "cli/keys.h"

enum { LONGEST = 32 };

static uint32_t by_letter(char c)
{
    static const char letter[] = "ABCDHF";
    static const uint32_t key[] = {OSP_KEY_UP, OSP_KEY_DOWN, OSP_KEY_RIGHT, OSP_KEY_LEFT, OSP_KEY_HOME, OSP_KEY_END};
    const char *at = c ? strchr(letter, c) : NULL;
    return at ? key[at - letter] : OSP_KEY_OTHER;
}

static uint32_t by_number(unsigned n)
{
    switch (n) {
    case 1:
    case 7:
        return OSP_KEY_HOME;
    case 4:
    case 8:
        return OSP_KEY_END;
    case 5:
        return OSP_KEY_PAGE_UP;
    case 6:
        return OSP_KEY_PAGE_DOWN;
    default:
        return OSP_KEY_OTHER;
    }
}

/* What follows ESC [: parameters of 0x30 … 0x3f, then others of 0x20 … 0x2f, then one final byte. */
static size_t control_sequence(osp_str s, uint32_t *key)
{
    unsigned number = 0;
    bool first = true;
    for (size_t i = 2; i < s.n && i < LONGEST; i++) {
        char c = s.p[i];
        if (osp_is_digit(c) && first) {
            number = number * 10 + (unsigned)(c - '0');
        } else if (c >= 0x20 && c < 0x40) {
            first = false;
        } else if (c == '[' && i == 2) {
            first = false; /* function keys of the Linux console: ESC [ [ A */
        } else {
            *key = c == '~' ? by_number(number) : i > 2 && s.p[2] == '[' ? OSP_KEY_OTHER : by_letter(c);
            return i + 1;
        }
    }
    *key = OSP_KEY_OTHER;
    return s.n >= LONGEST ? LONGEST : 0;
}

static size_t character(osp_str s, bool final, uint32_t *key)
{
    uint8_t c = (uint8_t)s.p[0];
    *key = c == '\n' ? OSP_KEY_ENTER : c == 8 ? OSP_KEY_BACKSPACE : c;
    if (c < 0x80)
        return 1;
    size_t n = osp_str_utf8(s), want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    *key = OSP_KEY_OTHER;
    if (n == 0)
        return s.n < want && !final ? 0 : 1;
    uint32_t v = c & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        v = v << 6 | ((uint8_t)s.p[i] & 0x3f);
    *key = v;
    return n;
}

size_t osp_key_decode(osp_str s, bool final, uint32_t *key)
{
    *key = OSP_KEY_NONE;
    if (s.n == 0)
        return 0;
    if (s.p[0] != OSP_KEY_ESC)
        return character(s, final, key);
    size_t n = 0;
    if (s.n >= 2 && s.p[1] == '[') {
        n = control_sequence(s, key);
    } else if (s.n >= 3 && s.p[1] == 'O') {
        *key = by_letter(s.p[2]);
        n = 3;
    } else if (s.n >= 2 && s.p[1] != 'O') {
        *key = OSP_KEY_ESC; /* Escape, and another key behind it */
        n = 1;
    }
    if (n == 0 && final) {
        *key = s.n == 1 ? OSP_KEY_ESC : OSP_KEY_OTHER;
        n = s.n;
    }
    return n;
}
