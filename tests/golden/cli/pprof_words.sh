# SPDX-License-Identifier: Apache-2.0
# Flags by Go's grammar, and what is wrong with them.
cp "$SRC/tests/data/go-profiles/server.threadcreate.pb.gz" .
p=server.threadcreate.pb.gz
try() {
    osprey pprof "$@" | tail -n 1
}
export TZ=UTC
try -top "$p"
try --text=true --cum "$p" -nodecount=1
try -top -nodecount 1 -- "$p"
try "$p"
try -top
try -top "$p" "$p"
try -top -no-such-flag "$p"
try -top=perhaps "$p"
try -top -nodecount=many "$p"
try -top "$p" -nodecount
try -top -lines -files "$p"
try -top -sample_index=bytes "$p"
try -top -sample_index=7 "$p"
try -top '-focus=(' "$p"
try -top -divide_by=0 "$p"
try -top -focus=nothing-like-it "$p"
try -top -output=/nowhere/top.txt "$p"
try -top -output=top.txt "$p"
tail -n 1 top.txt
osprey pprof -top "$p" >/dev/full
echo "$?"
