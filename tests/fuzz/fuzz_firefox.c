/* SPDX-License-Identifier: Apache-2.0 */
#include "read_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) { return fuzz_format(bytes, n, "firefox"); }
