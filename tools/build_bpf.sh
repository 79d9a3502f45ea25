#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compile one BPF program: build_bpf.sh CLANG STRIP INPUT OUTPUT CPU, the CPU as Meson names it. Debug data goes, BTF
# stays.
set -eu
clang=$1 strip=$2 input=$3 output=$4
case $5 in
x86_64) arch=x86 ;;
aarch64) arch=arm64 ;;
*)
    echo "build_bpf.sh: no sampler for $5" >&2
    exit 1
    ;;
esac
"$clang" -g -O2 -Wall -target bpf "-D__TARGET_ARCH_$arch" -c "$input" -o "$output"
"$strip" -g "$output"
