// What Go itself says about the interview points that 11_interview.ipynb runs on gcsim.
//
//	go run interview.go > interview.json
//	go run interview.go times
//
// The first prints only what is the same in every run: what Go's memory model forbids, and how much of a map is left. The second prints how
// often two goroutines on two threads saw what the model allows, and ns, of the machine that it runs on.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

const rounds = 200_000

// Both goroutines are here before any goes on.
type meeting struct{ arrived atomic.Int64 }

func (m *meeting) meet(number int64) {
	m.arrived.Add(1)
	for i := 1; m.arrived.Load() < 2*number; i++ {
		if i%1000 == 0 {
			runtime.Gosched()
		}
	}
}

// Runs the two bodies on two goroutines, round by round, and counts where both have read 0 (or what `weak` says).
func litmus(weak func(r0, r1 int32) bool, first, second func(i int) int32) (count int) {
	var all meeting
	var wg sync.WaitGroup
	read := make([][2]int32, rounds)
	for who, body := range []func(int) int32{first, second} {
		wg.Go(func() {
			for i := range rounds {
				all.meet(int64(i) + 1)
				read[i][who] = body(i)
			}
		})
	}
	wg.Wait()
	for _, r := range read {
		if weak(r[0], r[1]) {
			count++
		}
	}
	return count
}

type cell struct {
	x   int32
	pad [60]byte
	y   int32
	end [60]byte
}

func storeBufferingAtomic() int {
	cells := make([]cell, rounds)
	return litmus(func(r0, r1 int32) bool { return r0 == 0 && r1 == 0 },
		func(i int) int32 { atomic.StoreInt32(&cells[i].x, 1); return atomic.LoadInt32(&cells[i].y) },
		func(i int) int32 { atomic.StoreInt32(&cells[i].y, 1); return atomic.LoadInt32(&cells[i].x) })
}

func storeBufferingPlain() int {
	cells := make([]cell, rounds)
	return litmus(func(r0, r1 int32) bool { return r0 == 0 && r1 == 0 },
		func(i int) int32 { cells[i].x = 1; return cells[i].y },
		func(i int) int32 { cells[i].y = 1; return cells[i].x })
}

func messagePassingAtomic() int {
	cells := make([]cell, rounds)
	return litmus(func(_, r1 int32) bool { return r1 == 2 }, // the flag, but not the data
		func(i int) int32 { cells[i].x = 1; atomic.StoreInt32(&cells[i].y, 1); return 0 },
		func(i int) int32 {
			if atomic.LoadInt32(&cells[i].y) == 1 && cells[i].x == 0 {
				return 2
			}
			return 0
		})
}

// --- happens-before: a plain variable is written, then the event; who has seen the event reads it.

func late(event func(write, read func())) (count int) {
	for range 10_000 {
		v := 0
		event(func() { v = 1 }, func() {
			if v != 1 {
				count++
			}
		})
	}
	return count
}

func bySend(write, read func()) {
	c := make(chan int, 1)
	go func() { write(); c <- 0 }()
	<-c
	read()
}

func byReceive(write, read func()) { // unbuffered: the receive comes before the end of the send
	c := make(chan int)
	go func() { write(); <-c }()
	c <- 0
	read()
}

func byClose(write, read func()) {
	c := make(chan int)
	go func() { write(); close(c) }()
	<-c
	read()
}

func byMutex(write, read func()) {
	var mu sync.Mutex
	mu.Lock()
	go func() { write(); mu.Unlock() }()
	mu.Lock()
	read()
}

func byWaitGroup(write, read func()) {
	var wg sync.WaitGroup
	wg.Go(write)
	wg.Wait()
	read()
}

func byOnce(write, read func()) {
	var once sync.Once
	go once.Do(write)
	once.Do(write)
	read()
}

// --- a map after its keys have gone

func alloc() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// Per cent of the map's memory that is there after `change`.
func left(change func(m map[int]int) map[int]int) int {
	before := alloc()
	m := map[int]int{}
	for i := range 100_000 {
		m[i] = i
	}
	full := alloc()
	m = change(m)
	after := alloc()
	runtime.KeepAlive(m)
	return int((after-before)/(full-before)*20+0.5) * 5 // to 5 %
}

func deleteAll(m map[int]int) map[int]int {
	for k := range m {
		delete(m, k)
	}
	return m
}

func clearAll(m map[int]int) map[int]int { clear(m); return m }

func copyRest(m map[int]int) map[int]int { return map[int]int{} }

//go:noinline
func increment(n *int) { *n++ } // in a loop the compiler would add all at once

func lostAdditions() int {
	n := 0
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 1_000_000 {
				increment(&n)
			}
		})
	}
	wg.Wait()
	return 2_000_000 - n
}

func ns(body func()) float64 {
	return float64(testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			body()
		}
	}).NsPerOp())
}

func main() {
	runtime.GOMAXPROCS(2)
	var n atomic.Int64
	var mu sync.Mutex
	said := map[string]any{"go": runtime.Version()}
	if len(os.Args) > 1 {
		said["store buffering, plain variables"] = storeBufferingPlain()
		said["additions lost without atomics, of 2,000,000"] = lostAdditions()
		said["ns: atomic addition"] = ns(func() { n.Add(1) })
		said["ns: Lock and Unlock"] = ns(func() { mu.Lock(); mu.Unlock() })
	} else {
		said["store buffering, sync/atomic"] = storeBufferingAtomic()
		said["message passing, sync/atomic"] = messagePassingAtomic()
		for name, event := range map[string]func(write, read func()){
			"send": bySend, "receive": byReceive, "close": byClose, "Unlock": byMutex,
			"Done": byWaitGroup, "Once.Do": byOnce,
		} {
			said["read too early after "+name] = late(event)
		}
		said["percent of a map left after delete"] = left(deleteAll)
		said["percent of a map left after clear"] = left(clearAll)
		said["percent of a map left in a new one"] = left(copyRest)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	_ = out.Encode(said)
}
