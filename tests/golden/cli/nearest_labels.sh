# SPDX-License-Identifier: Apache-2.0
# A filter of labels that matches nothing names those that are there; a choice of the shell is no flag, and says which are.
p=$SRC/tests/data/go-profiles/server.cpu.labels.pb.gz
for tag in route=/gte rout=/get tenant=x; do
    osprey pprof -top -symbolize=none -tagfocus=$tag "$p" >/dev/null
done
osprey pprof -top -sort=cum "$p"
