#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compile one BPF program: build_bpf.sh CLANG STRIP INPUT OUTPUT. Debug data goes, BTF stays.
set -eu
clang=$1 strip=$2 input=$3 output=$4
"$clang" -g -O2 -Wall -target bpf -D__TARGET_ARCH_x86 -c "$input" -o "$output"
"$strip" -g "$output"
