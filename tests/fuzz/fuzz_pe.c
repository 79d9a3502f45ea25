/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an executable of Windows: symbols, frames, rows, and what else can be asked of an object. */
#include "ask_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) { return ask_object(bytes, n, 0x140000000); }
