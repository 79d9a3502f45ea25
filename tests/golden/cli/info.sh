# SPDX-License-Identifier: Apache-2.0
# What files are and what is in them, also what no profile holds.
cat >heap.txt <<'END'
heap profile: 2: 4096 [10: 40960] @ heap/1048576
2: 4096 [10: 40960] @ 0x491be1 0x401000

# runtime.MemStats
# Alloc = 2495872
# Sys = 68069656
# Stack = 458752 / 524288
# LastGC = 0
# PauseNs = [552735 4284066 0]
# PauseEnd = [1795324762290676170 1795324762302910687 0]
# NumGC = 2
# GCCPUFraction = 0.1386416889030706
# DebugGC = false
# MaxRSS = 63156224
END
osprey info heap.txt
osprey info --json heap.txt
cat >dump.txt <<'END'
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive, 7 minutes]:
main.main()
	/src/main.go:7 +0x1d

goroutine 18 [select]:
main.wait()
	/src/main.go:9 +0x1d
END
osprey info dump.txt
printf 'main;work 3\n' >x.folded
osprey info x.folded
