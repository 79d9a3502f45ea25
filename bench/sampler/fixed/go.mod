module osprey.test/fixed

go 1.18
