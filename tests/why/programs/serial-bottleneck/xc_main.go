// SPDX-License-Identifier: Apache-2.0

// Workers send their jobs to one goroutine that does all the work.
package main

type x_job struct {
	text  []byte
	reply chan uint64
}

//go:noinline
func x_score(text []byte, rounds int) uint64 {
	h := uint64(14695981039346656037)
	for r := 0; r < rounds; r++ {
		for _, b := range text {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	return h
}

//go:noinline
func x_owner(jobs <-chan x_job) {
	for j := range jobs {
		j.reply <- x_score(j.text, P_rounds)
	}
}

func x_worker(id int, jobs chan<- x_job) {
	reply := make(chan uint64)
	text := make([]byte, 1000)
	for i := 0; ; i++ {
		text[i%1000] = byte(id + i)
		jobs <- x_job{text, reply}
		<-reply
		x_count(1)
	}
}

func main() {
	jobs := make(chan x_job)
	go x_owner(jobs)
	for i := 0; i < P_workers; i++ {
		go x_worker(i, jobs)
	}
	x_started()
	select {}
}
