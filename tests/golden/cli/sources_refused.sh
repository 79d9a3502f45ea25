# SPDX-License-Identifier: Apache-2.0
# Commands that are not pprof say which source failed and why, also when another one is good.
corpus=$SRC/tests/fuzz/corpus
cp "$corpus"/pprof/wrong_values .
printf 'main;work 3\n' >good.folded
printf '\211PNG\r\n' >picture.pb
for words in 'flame wrong_values' 'flame good.folded nothing-there' 'flame picture.pb -o x.svg' 'diff good.folded nothing-there' \
    'flame good.folded --diff wrong_values' 'why --profile wrong_values' 'pprof -http=:8080 good.folded'; do
    osprey $words
    echo "$? $words"
done
ls
