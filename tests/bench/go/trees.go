// Binary trees: the same work as tests/bench/trees.c.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

type node struct{ left, right *node }

const shortest = 4

func build(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	left := build(depth - 1)
	return &node{left, build(depth - 1)}
}

func (n *node) count() uint64 {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

func peakBytes() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				panic(err)
			}
			return kib * 1024
		}
	}
	panic("no VmHWM in /proc/self/status")
}

func main() {
	depth, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	start := time.Now()
	check := build(depth + 1).count()
	longLived := build(depth)
	for d := shortest; d <= depth; d += 2 {
		for range 1 << (depth - d + shortest) {
			check += uint64(d) * build(d).count()
		}
	}
	check += longLived.count()
	seconds := time.Since(start).Seconds()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("{\"seconds\": %.6f, \"check\": %d, \"peak_bytes\": %d, \"collections\": %d}\n",
		seconds, check, peakBytes(), stats.NumGC)
}
