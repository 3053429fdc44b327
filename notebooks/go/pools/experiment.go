// The chapter's pool experiment made honest: 1,024-byte buffers that really are allocated, made anew each time or taken from a pool, in a program that
// has 32 MiB of other data. It prints what the rounds of each way allocated, and the cycles that began meanwhile.
//
//	GOMAXPROCS=1 GODEBUG=gcstoptheworld=1 go run experiment.go [rounds]
//
// How many cycles there are depends on when the scheduler lets the collector run, and by half from run to run; with GODEBUG=gcstoptheworld=1 on the pacer's
// arithmetic alone. tests/test_pool_experiment.py compares that with gcsim, run by run.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"strconv"
	"sync"
)

const size = 1024

type buffer struct{ bytes [size]byte }

var (
	sink    []byte // what is stored here escapes
	object  *buffer
	ballast = make([]byte, 32<<20)
)

func anew(rounds int) {
	for i := range rounds {
		object = new(buffer)
		object.bytes[0] = byte(i)
	}
}

// As in the chapter: a slice becomes an interface with each Put, 24 bytes.
func slices(rounds int) {
	pool := sync.Pool{New: func() any { return make([]byte, size) }}
	for i := range rounds {
		sink = pool.Get().([]byte)
		sink[0] = byte(i)
		pool.Put(sink)
	}
}

// A pointer is an interface as it is.
func pointers(rounds int) {
	pool := sync.Pool{New: func() any { return new(buffer) }}
	for i := range rounds {
		b := pool.Get().(*buffer)
		b.bytes[0] = byte(i)
		pool.Put(b)
	}
}

// Sixteen are out at a time, and every other round a buffer is lost.
func losing(rounds int) {
	pool := sync.Pool{New: func() any { return new(buffer) }}
	var out [16]*buffer
	for i := range rounds {
		b := pool.Get().(*buffer)
		b.bytes[0] = byte(i)
		if old := out[i%16]; old != nil && i%2 == 0 {
			pool.Put(old)
		}
		out[i%16] = b
	}
}

type figures struct {
	Mallocs, Bytes uint64
	Cycles         uint32
}

func measure(way func(int), rounds int) figures {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	way(rounds)
	runtime.ReadMemStats(&after)
	return figures{after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc, after.NumGC - before.NumGC}
}

func main() {
	rounds := 1_000_000
	if len(os.Args) > 1 {
		rounds, _ = strconv.Atoi(os.Args[1])
	}
	ballast[0] = 1
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"go":       runtime.Version(),
		"rounds":   rounds,
		"anew":     measure(anew, rounds),
		"slices":   measure(slices, rounds/20),
		"pointers": measure(pointers, rounds),
		"losing":   measure(losing, rounds),
	})
	runtime.KeepAlive(ballast)
}
