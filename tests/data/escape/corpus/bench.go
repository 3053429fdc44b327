// Command bench: the stack, heap and pool comparison of a tutorial, with its sinks.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

type payload struct {
	data [1024]byte
	next *payload
}

var (
	sink     *payload
	sinkByte byte
	pool     = sync.Pool{New: func() any { return &payload{} }}
)

func onStack() byte {
	var p payload
	p.data[0] = 1
	return p.data[0]
}

func onHeap() *payload {
	p := payload{}
	p.data[0] = 1
	return &p
}

func noEscape() byte {
	p := &payload{}
	p.data[1] = 2
	return p.data[1]
}

func pooled() byte {
	p := pool.Get().(*payload)
	defer pool.Put(p)
	p.data[0]++
	return p.data[0]
}

func measure(name string, n int, f func()) (time.Duration, uint64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	for i := 0; i < n; i++ {
		f()
	}
	d := time.Since(begin)
	runtime.ReadMemStats(&after)
	fmt.Printf("%-10s %8v %d allocs\n", name, d, after.Mallocs-before.Mallocs)
	return d, after.TotalAlloc - before.TotalAlloc
}

func chain(n int) *payload {
	var head *payload
	for range n {
		head = &payload{next: head}
	}
	return head
}

func pauses() (max time.Duration) {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	for _, p := range s.Pause {
		if p > max {
			max = p
		}
	}
	return max
}

func main() {
	old := debug.SetGCPercent(50)
	defer debug.SetGCPercent(old)
	tests := []struct {
		name string
		f    func()
	}{
		{"stack", func() { sinkByte = onStack() }},
		{"heap", func() { sink = onHeap() }},
		{"local", func() { sinkByte = noEscape() }},
		{"pool", func() { sinkByte = pooled() }},
	}
	for _, t := range tests {
		measure(t.name, 1000, t.f)
	}
	sink = chain(10)
	fmt.Println(pauses(), runtime.NumGoroutine())
}
