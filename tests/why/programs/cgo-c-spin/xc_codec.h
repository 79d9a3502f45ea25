/* SPDX-License-Identifier: Apache-2.0 */

#ifndef XC_CODEC
#define XC_CODEC
unsigned long xc_encode(long turns, unsigned long key, int depth);
#endif
