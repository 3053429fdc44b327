// The works in Go, the same as in C: work NAME WORDS... prints one JSON object.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a work tells; the key "check" is the number that every program of this work has to give.
type told map[string]any

type work struct {
	words int
	run   func(words []string) told
}

var works = map[string]work{
	"trees":     {2, trees},
	"gcbench":   {1, gcbench},
	"alloc":     {5, alloc},
	"mark":      {3, mark},
	"empty":     {2, empty},
	"store":     {3, store},
	"stops":     {3, stops},
	"lru":       {2, lru},
	"list":      {1, list},
	"spikes":    {2, spikes},
	"recording": {2, recording},
	"resident":  {1, resident},
	"maps":      {3, maps},
}

func die(what string) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		die("not a number on the command line")
	}
	return n
}

func nsSince(start time.Time) float64 { return float64(time.Since(start).Nanoseconds()) }

// run(0), run(1) ... in n goroutines at once.
func runThreads(n int, run func(index int)) {
	if n == 1 {
		run(0)
		return
	}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { run(i) })
	}
	group.Wait()
}

// splitmix64, as in tests/bench/bench.h.
type random uint64

func (state *random) next() uint64 {
	*state += 0x9e3779b97f4a7c15
	z := uint64(*state)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (state *random) below(n uint64) uint32 {
	return uint32((state.next() >> 32) * n >> 32)
}

// A number of kB from one of this process's files in /proc, in bytes.
func procBytes(file, key string) uint64 {
	text, err := os.ReadFile(file)
	if err != nil {
		die(err.Error())
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			return uint64(number(strings.Fields(rest)[0])) * 1024
		}
	}
	die("no " + key + " in " + file)
	return 0
}

func gcCPUSeconds() float64 {
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64()
}

func main() {
	names := make([]string, 0, len(works))
	for name := range works {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(os.Args) < 2 || works[os.Args[1]].run == nil || len(os.Args) != 2+works[os.Args[1]].words {
		fmt.Fprintln(os.Stderr, "usage: work NAME WORDS...; the names:", strings.Join(names, " "))
		os.Exit(2)
	}
	result := works[os.Args[1]].run(os.Args[2:])
	result["peak_bytes"] = procBytes("/proc/self/status", "VmHWM:")
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	result["collections"] = stats.NumGC
	result["gc_cpu_seconds"] = gcCPUSeconds()
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		die(err.Error())
	}
}
