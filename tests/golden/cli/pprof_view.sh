# SPDX-License-Identifier: Apache-2.0
# Viewers: without a display the file is written and named; with one the program is started on it. Bytes never go to the
# output of a shell, and pipes and files get what they are given.
cp "$SRC/tests/data/go-profiles/server.threadcreate.pb.gz" p.pb.gz
unset DISPLAY WAYLAND_DISPLAY BROWSER
export TMPDIR=. TZ=UTC TERM=dumb
osprey pprof -kcachegrind p.pb.gz
echo "status $?"
head -n 1 pprof001.grind
printf '#!/bin/sh\necho "seen: $*"\nwc -l < "$2" | tr -d " "\n' >viewer
chmod +x viewer
BROWSER='./viewer --new' osprey pprof -weblist=start p.pb.gz 2>/dev/null | head -n 1
ls pprof*
DISPLAY=:nowhere PATH=$PWD:$PATH osprey pprof -kcachegrind p.pb.gz
echo "status $?"
printf 'proto\nproto\ntop | wc -l\ntop1 |head -n 1\ntop > top.txt\ntop >\n| x\n' | osprey pprof p.pb.gz | tr -d ' '
ls profile* top.txt
osprey pprof -output=out.pb.gz -proto p.pb.gz
osprey pprof -top out.pb.gz | tail -n 1
