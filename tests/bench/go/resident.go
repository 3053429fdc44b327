// Resident memory of a list of 16-byte objects: the same list as in tests/bench/resident.c.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

type pair struct{ next, other *pair }

func residentBytes() uint64 {
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(rollup)) {
		if rest, ok := strings.CutPrefix(line, "Rss:"); ok {
			kib, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				panic(err)
			}
			return kib * 1024
		}
	}
	panic("no Rss in /proc/self/smaps_rollup")
}

func main() {
	debug.SetGCPercent(-1)
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	residentBytes() // the first reading brings in what reading takes
	before := residentBytes()
	var head *pair
	for range n {
		head = &pair{next: head}
	}
	built := residentBytes() - before
	runtime.GC()
	collected := residentBytes() - before
	runtime.KeepAlive(head)
	payload := float64(n) * 16
	fmt.Printf("{\"payload_ratio\": %.6f, \"collected_ratio\": %.6f}\n", float64(built)/payload, float64(collected)/payload)
}
