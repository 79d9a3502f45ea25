# SPDX-License-Identifier: Apache-2.0
# What is no profile, or a broken one: one line each, status 2.
try() {
    osprey pprof -top "$@"
    echo "$? $*"
}
corpus=$SRC/tests/fuzz/corpus
cp "$corpus"/pprof/concatenated "$corpus"/pprof/id_zero "$corpus"/pprof/wrong_values "$corpus"/unpack/gzip_cut .
cp "$corpus"/unpack/gzip_bomb "$corpus"/unpack/zstd_text .
: >empty
echo 'heap profile: 1: 2 [3: 4] @ of another kind' >text
for file in nothing-there . empty text concatenated id_zero wrong_values gzip_cut gzip_bomb zstd_text; do
    try "$file"
done
