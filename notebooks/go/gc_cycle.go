// What Go itself says about the programs of the chapter that 02_gc_cycle_and_tuning.ipynb runs on gcsim.
//
//	GOMAXPROCS=1 go run gc_cycle.go > gc_cycle.json
//
// It prints only what is the same in every run: no addresses, no times, no sizes of the runtime's own objects.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const mib = 1 << 20

var (
	kept [][]byte
	sink []byte
)

func stats() runtime.MemStats {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m
}

// Of runtime/metrics, in bytes.
func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func allocate(mibs int) (cycles uint32) {
	before := stats().NumGC
	for range mibs {
		sink = make([]byte, mib)
	}
	return stats().NumGC - before
}

// Blocks of 1 KiB that have been allocated and not yet freed.
func blocks() int64 {
	m := stats()
	for _, class := range m.BySize {
		if class.Size == 1024 {
			return int64(class.Mallocs - class.Frees)
		}
	}
	return 0
}

type manual struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// The chapter's manualGC: blocks before runtime.GC, and after it. Nothing uses data any more, though it is still in scope.
//
//go:noinline
func manualGC() (m manual) {
	runtime.GC()
	first := blocks()
	data := make([][]byte, 1000)
	for i := range data {
		data[i] = make([]byte, 1024)
	}
	m.Before = blocks() - first
	runtime.GC()
	m.After = blocks() - first
	return m
}

// The same, but data is used after the collection.
//
//go:noinline
func manualGCThenUse() (m manual) {
	runtime.GC()
	first := blocks()
	data := make([][]byte, 1000)
	for i := range data {
		data[i] = make([]byte, 1024)
	}
	m.Before = blocks() - first
	runtime.GC()
	m.After = blocks() - first
	runtime.KeepAlive(data)
	return m
}

// Is the goal marked + (marked + stacks + globals) * GOGC / 100, to the byte?
func formula(percent int) bool {
	debug.SetGCPercent(percent)
	runtime.GC()
	marked := read("/gc/heap/live:bytes")
	counted := marked + read("/gc/scan/stack:bytes") + read("/gc/scan/globals:bytes")
	goal := marked + counted*uint64(percent)/100
	return goal == read("/gc/heap/goal:bytes") && goal == stats().NextGC
}

func main() {
	out := map[string]any{"go": runtime.Version()}
	out["percent_at_first"] = debug.SetGCPercent(-1)

	// Off: nothing is collected unless it is asked for; then with a memory limit.
	out["cycles_off"] = allocate(64)
	out["goal_off_exceeds_any_memory"] = stats().NextGC > 1<<62
	before := stats()
	runtime.GC()
	out["cycles_asked_for"] = stats().NumForcedGC - before.NumForcedGC
	none := debug.SetMemoryLimit(32 * mib)
	out["limit_at_first"] = none
	out["goal_below_limit"] = stats().NextGC < 32*mib
	out["cycles_off_with_a_limit"] = allocate(256) > 0
	debug.SetMemoryLimit(none)

	out["manual_unused"], out["manual_used"] = manualGC(), manualGCThenUse()

	// The smallest goals, while next to nothing lives; then 16 MiB live.
	sink = nil
	minimum := map[string]uint64{}
	for name, percent := range map[string]int{"100": 100, "200": 200, "400": 400} {
		debug.SetGCPercent(percent)
		runtime.GC()
		minimum[name] = stats().NextGC
	}
	out["minimum"] = minimum
	debug.SetGCPercent(-1)
	for range 16 {
		kept = append(kept, make([]byte, mib))
	}
	exact := []int{}
	for _, percent := range []int{25, 50, 100, 200, 400, 800} {
		if formula(percent) {
			exact = append(exact, percent)
		}
	}
	out["formula_is_exact"] = exact
	runtime.KeepAlive(kept)

	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	encoder.Encode(out)
}
