# SPDX-License-Identifier: Apache-2.0
# A file that may not grow is an error of the write, not a death by signal; nothing half-written stays.
ulimit -f 0
osprey pprof -top -output top.txt "$SRC/tests/data/go-profiles/server.heap.pb.gz"
status=$?
ls top.txt* 2>/dev/null
exit $status
