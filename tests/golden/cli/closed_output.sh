# SPDX-License-Identifier: Apache-2.0
# What is closed is an error of the print, and never a file of ours that got its number.
profile=$SRC/tests/data/go-profiles/server.threadcreate.pb.gz
osprey pprof -top -output top.txt "$profile" >&- 2>&- <&-
echo $? $(grep -c Generating top.txt)
osprey pprof -top "$profile" >&-
echo $?
