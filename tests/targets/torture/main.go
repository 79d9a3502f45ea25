// SPDX-License-Identifier: Apache-2.0

// All that makes a Go stack hard to walk, at once: deep and growing stacks, signals, panics, system calls, timers,
// garbage collection, assembly, reflection, coroutines, the vDSO, and, built with cgo, C with callbacks three deep. It
// builds with every release from Go 1.16 on.
//
//	torture [-only NAME]
//
// Truth: every goroutine of the program's own starts in main.run, which main.worker calls through nothing else: so each
// stack with a frame of package main below it holds runtime.goexit and main.run.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io/ioutil"
	"math"
	"math/big"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var sink uint64

// ---- stacks ----

//go:noinline
func down(n int, x *[64]uint64) uint64 {
	var frame [64]uint64
	if n == 0 {
		return spin(20_000)
	}
	frame[n&63] = x[n&63] + uint64(n)
	return down(n-1, &frame) + frame[n&63]
}

//go:noinline
func spin(n int) uint64 {
	x := uint64(88172645463325252)
	for i := 0; i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// A new goroutine each time: its stack starts small and is copied at each doubling.
func growing() {
	done := make(chan uint64)
	go run(func() { var f [64]uint64; done <- down(700, &f) })
	atomic.AddUint64(&sink, <-done)
}

// A frame too large for an unwind row.
//
//go:noinline
func huge(n int) uint64 {
	var big [70_000]byte
	for i := range big {
		big[i] = byte(i * n)
	}
	return uint64(big[n&65535]) + spin(5_000)
}

func bigFrames() {
	for i := 0; i < 20; i++ {
		atomic.AddUint64(&sink, huge(i))
	}
}

// ---- panics, signals ----

type node struct {
	next *node
	v    int
}

//go:noinline
func deref(p *node) int { return p.v + 1 }

//go:noinline
func callNil(f func() int) int { return f() + 1 }

//go:noinline
func divide(a, b int) int { return a/b + 1 }

//go:noinline
func index(a []int, i int) int { return a[i] + 1 }

//go:noinline
func recovered(f func()) {
	defer func() {
		if recover() != nil {
			atomic.AddUint64(&sink, spin(200))
		}
	}()
	f()
}

func panics() {
	for i := 0; i < 50; i++ {
		recovered(func() { deref(nil) })
		recovered(func() { divide(1, int(sink&0)) })
		recovered(func() { index(nil, 3) })
		recovered(func() { callNil(nil) })
		recovered(func() { recovered(func() { panic("inner") }); panic("outer") })
	}
}

func signals() {
	c := make(chan os.Signal, 16)
	signal.Notify(c, syscall.SIGUSR1)
	for i := 0; i < 200; i++ {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		<-c
		atomic.AddUint64(&sink, spin(500))
	}
	signal.Stop(c)
}

// ---- the scheduler ----

func channels() {
	a, b := make(chan int), make(chan int, 4)
	quit := make(chan struct{})
	go run(func() {
		for {
			select {
			case v := <-a:
				b <- v + 1
			case <-quit:
				return
			}
		}
	})
	for i := 0; i < 2000; i++ {
		select {
		case a <- i:
		case <-time.After(time.Second):
		}
		<-b
	}
	close(quit)
}

func timers() {
	var wg sync.WaitGroup
	for i := 0; i < 50; i++ {
		wg.Add(1)
		time.AfterFunc(time.Duration(i)*10*time.Microsecond, func() { spin(2000); wg.Done() })
	}
	t := time.NewTicker(50 * time.Microsecond)
	for i := 0; i < 20; i++ {
		<-t.C
	}
	t.Stop()
	wg.Wait()
}

func mutexes() {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go run(func() {
			defer wg.Done()
			for k := 0; k < 300; k++ {
				mu.Lock()
				sink += spin(50)
				mu.Unlock()
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
}

func lockedThread() {
	done := make(chan bool)
	go run(func() {
		runtime.LockOSThread()
		for i := 0; i < 200; i++ {
			runtime.Gosched()
			atomic.AddUint64(&sink, spin(500))
		}
		done <- true // the thread ends with the goroutine
	})
	<-done
}

func preempted() { atomic.AddUint64(&sink, spin(30_000_000)) }

func syscalls() {
	for i := 0; i < 100; i++ {
		syscall.Getpid()
		b, _ := ioutil.ReadFile("/proc/self/stat")
		sink += uint64(len(b))
	}
}

// ---- memory ----

func garbage() {
	var keep []*node
	m := map[string][]int{}
	for i := 0; i < 20_000; i++ {
		n := &node{v: i}
		if len(keep) > 0 {
			n.next = keep[len(keep)-1]
		}
		keep = append(keep, n)
		k := fmt.Sprint("key", i%512)
		m[k] = append(m[k], i)
	}
	big := make([]byte, 4<<20)
	copy(big[1:], big)
	sink += uint64(len(keep) + len(m) + len(big))
}

func collect() { runtime.GC(); debug.FreeOSMemory() }

// ---- assembly ----

func hashes() {
	data := make([]byte, 64<<10)
	for i := 0; i < 20; i++ {
		s := sha256.Sum256(data)
		t := sha512.Sum512(data)
		u := sha1.Sum(data)
		v := md5.Sum(data)
		data[0] = s[0] ^ t[0] ^ u[0] ^ v[0]
		sink += uint64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	}
}

func ciphers() {
	data := make([]byte, 64<<10)
	block, _ := aes.NewCipher(make([]byte, 32))
	gcm, _ := cipher.NewGCM(block)
	ctr := cipher.NewCTR(block, make([]byte, 16))
	for i := 0; i < 20; i++ {
		out := gcm.Seal(nil, make([]byte, 12), data, nil)
		ctr.XORKeyStream(data, data)
		sink += uint64(out[0])
	}
}

func numbers() {
	m := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), big.NewInt(105))
	x := new(big.Int).Exp(big.NewInt(3), m, new(big.Int).Add(m, big.NewInt(2)))
	sink += x.Uint64()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r, _, _ := ecdsa.Sign(rand.Reader, key, make([]byte, 32))
	sink += r.Uint64()
	f := 0.0
	for i := 0; i < 100_000; i++ {
		f += math.Floor(math.Exp(float64(i&7))) + math.Log(float64(i+1)) + math.Sqrt(float64(i))
	}
	sink += uint64(f)
}

func byteWork() {
	a := bytes.Repeat([]byte("abcdefgh"), 32<<10)
	b := append([]byte(nil), a...)
	for i := 0; i < 50; i++ {
		sink += uint64(bytes.IndexByte(a, 'z')+bytes.Count(a, []byte("a"))+bytes.Compare(a, b)) +
			uint64(strings.Index(string(a), "hgf"))
		copy(a[i:], b)
		for k := range b[:1<<16] {
			b[k] = 0
		}
		copy(b, a)
	}
}

// ---- the library ----

type record struct {
	Name  string
	Parts []map[string]float64
}

func (r record) Sum(a, b int) int { return a + b + len(r.Name) }

func reflection() {
	r := record{"x", []map[string]float64{{"a": 1, "b": 2.5}, {"c": 3}}}
	m := reflect.ValueOf(r).MethodByName("Sum")
	swap := reflect.MakeFunc(reflect.TypeOf(func(a, b int) int { return 0 }), func(in []reflect.Value) []reflect.Value {
		return []reflect.Value{reflect.ValueOf(int(in[0].Int()) + int(spin(30)&1))}
	}).Interface().(func(a, b int) int)
	for i := 0; i < 200; i++ {
		sink += uint64(m.Call([]reflect.Value{reflect.ValueOf(i), reflect.ValueOf(2)})[0].Int())
		sink += uint64(swap(i, 2))
		b, _ := json.Marshal(r)
		var back record
		_ = json.Unmarshal(b, &back)
	}
}

func texts() {
	words := strings.Fields(strings.Repeat("the quick brown fox jumps over it ", 200))
	sort.Slice(words, func(i, j int) bool { return words[i] < words[j] })
	re := regexp.MustCompile(`(q\w+)|(j[a-z]+s)`)
	sink += uint64(len(re.FindAllString(strings.Join(words, " "), -1)))
}

func clocks() {
	for i := 0; i < 20_000; i++ {
		sink += uint64(time.Now().Nanosecond())
	}
}

func tracebacks() {
	buf := make([]byte, 64<<10)
	pcs := make([]uintptr, 64)
	for i := 0; i < 20; i++ {
		sink += uint64(runtime.Stack(buf, i == 0) + runtime.Callers(0, pcs))
	}
}

func spawns() {
	var wg sync.WaitGroup
	for i := 0; i < 500; i++ {
		wg.Add(1)
		go run(func() { defer wg.Done(); atomic.AddUint64(&sink, spin(100)) })
	}
	wg.Wait()
}

var work = map[string]func(){
	"growing": growing, "bigframes": bigFrames, "panics": panics, "signals": signals, "channels": channels,
	"timers": timers, "mutexes": mutexes, "locked": lockedThread, "preempted": preempted, "syscalls": syscalls,
	"garbage": garbage, "collect": collect, "hashes": hashes, "ciphers": ciphers, "numbers": numbers,
	"bytes": byteWork, "reflection": reflection, "texts": texts, "clocks": clocks, "tracebacks": tracebacks,
	"spawns": spawns,
}

//go:noinline
func run(f func()) { f(); sink++ }

//go:noinline
func worker(f func()) {
	for {
		run(f)
	}
}

func main() {
	only := flag.String("only", "", "one kind of work alone; empty: all")
	list := flag.Bool("list", false, "name them")
	flag.Parse()
	for name, f := range work {
		if *list {
			fmt.Println(name)
		} else if *only == "" || *only == name {
			go worker(f)
		}
	}
	if *list {
		return
	}
	fmt.Println("ready", os.Getpid())
	time.Sleep(10 * time.Minute)
}
