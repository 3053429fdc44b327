// What Go itself says about the programs of the chapter that 09_pools_and_preallocation.ipynb runs on gcsim.
//
//	GOMAXPROCS=1 go run pools.go > pools.json
//
// It prints only what is the same in every run: counts and bytes of allocations, orders, messages.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

var (
	bytesSink  []byte
	intsSink   []int
	stringSink string
	mapSink    map[int]string
	anySink    any
	items      [1000]string
)

type buffer struct{ bytes [1024]byte }

// Objects and bytes that f allocates: the least of five times, as the run-time library now and then allocates for itself.
func allocated(f func()) [2]uint64 {
	best := [2]uint64{1 << 62, 1 << 62}
	for range 5 {
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		f()
		runtime.ReadMemStats(&b)
		if n := b.Mallocs - a.Mallocs; n <= best[0] {
			best = [2]uint64{n, min(best[1], b.TotalAlloc-a.TotalAlloc)}
		}
	}
	return best
}

// 11.3.1

func orders() (first, second []int) {
	var pool sync.Pool
	numbers := [12]int{}
	get := func() int {
		if p, ok := pool.Get().(*int); ok {
			return *p
		}
		return -1
	}
	for i := range numbers {
		numbers[i] = i
		pool.Put(&numbers[i])
	}
	for range 6 {
		first = append(first, get())
	}
	runtime.GC()
	for range 7 {
		second = append(second, get())
	}
	return
}

// How many of twelve are left after so many collections.
func left(cycles int) (n int) {
	var pool sync.Pool
	for range 12 {
		pool.Put(new(buffer))
	}
	for range cycles {
		runtime.GC()
	}
	for pool.Get() != nil {
		n++
	}
	return
}

func poolRounds(report map[string]any) {
	slices := sync.Pool{New: func() any { return make([]byte, 1024) }}
	pointers := sync.Pool{New: func() any { return new(buffer) }}
	channel := make(chan any, 10)
	slices.Put(slices.Get())
	pointers.Put(pointers.Get())
	ints := make([]int, 100)
	report["1000 rounds, []byte"] = allocated(func() {
		for i := range 1000 {
			bytesSink = slices.Get().([]byte)
			bytesSink[0] = byte(i)
			slices.Put(bytesSink)
		}
	})
	report["1000 rounds, *buffer"] = allocated(func() {
		for i := range 1000 {
			b := pointers.Get().(*buffer)
			b.bytes[0] = byte(i)
			pointers.Put(b)
		}
	})
	report["1000 rounds, channel of any"] = allocated(func() {
		for range 1000 {
			channel <- ints
			intsSink = (<-channel).([]int)
		}
	})
	report["1000 rounds, chapter's stack, heap, no pool"] = allocated(func() {
		for i := range 1000 {
			arr := make([]byte, 64)
			arr[0] = byte(i)
		}
	})
}

// 11.3.2

// Not inlined: so nothing is known of s. It begins in 32 bytes of the stack all the same, as it escapes only once, at the end.
//
//go:noinline
func fill(s []int) []int {
	for i := range 10000 {
		s = append(s, i)
	}
	return s
}

// As the chapter has it. Go 1.26 begins such a slice in 32 bytes of the stack.
func badSlice() []int {
	var badSlice []int
	for i := range 10000 {
		badSlice = append(badSlice, i)
	}
	return badSlice
}

//go:noinline
func caps(s []int) (all []int) {
	for i := range 10000 {
		before := cap(s)
		if s = append(s, i); cap(s) != before {
			all = append(all, cap(s))
		}
	}
	return
}

func plus() {
	stringSink = ""
	for _, item := range items {
		stringSink += item
	}
}

func build(grow int) {
	var b strings.Builder
	if grow > 0 {
		b.Grow(grow)
	}
	for _, item := range items {
		b.WriteString(item)
	}
	stringSink = b.String()
}

func fillMap(m map[int]string, n int) {
	for i := range n {
		m[i] = items[i%len(items)]
	}
	mapSink = m
}

// 11.5.2

func nextPowerOf2(n int) int {
	n--
	n |= n >> 1
	n |= n >> 2
	n |= n >> 4
	n |= n >> 8
	n |= n >> 16
	return n + 1
}

func foreign() (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	pool := sync.Pool{New: func() any { return make([]byte, 1024) }}
	pool.Put(make([]byte, 1000)[:1000:1000]) // of nextPowerOf2(1000)
	anySink = pool.Get().([]byte)[:1024]
	return
}

func arena() map[string]any {
	buf := make([]byte, 64)
	first, second := buf[0:8], buf[8:16]
	second[0] = 1
	_ = append(first, 99)
	reached := second[0]
	again := buf[0:8] // after Reset
	again[0] = 5
	own := append(buf[0:8:8], 77)
	return map[string]any{"append reaches": reached, "shared after reset": first[0], "three-index cap": cap(own), "neighbour": second[0]}
}

func main() {
	debug.SetGCPercent(-1)
	for i := range items {
		items[i] = fmt.Sprintf("item%d,", i)
	}
	report := map[string]any{"go": runtime.Version()}
	first, second := orders()
	report["order"], report["order after a cycle"] = first, second
	report["left of 12"] = [4]int{left(0), left(1), left(2), left(3)}
	poolRounds(report)
	report["slice"] = allocated(func() { intsSink = fill(nil) })
	report["slice, cap 10000"] = allocated(func() { intsSink = fill(make([]int, 0, 10000)) })
	report["slice, as written"] = allocated(func() { intsSink = badSlice() })
	report["caps"] = caps(nil)
	report["map of 800"] = allocated(func() { fillMap(make(map[int]string), 800) })
	report["map of 800, hint"] = allocated(func() { fillMap(make(map[int]string, 800), 800) })
	report["plus"] = allocated(plus)
	report["builder"] = allocated(func() { build(0) })
	report["builder, Grow(10000)"] = allocated(func() { build(10000) })
	report["nextPowerOf2(1<<32 + 1)"] = nextPowerOf2(1<<32 + 1)
	report["foreign capacity"] = foreign()
	report["arena"] = arena()
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	encoder.Encode(report)
}
