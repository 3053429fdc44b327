// Objects with pointers that are dropped at once: the same work as tests/bench/alloc.c.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"strconv"
	"time"
)

type small struct{ a, b *small }

type medium struct {
	a, b *medium
	rest [6]uint64
}

var (
	lastSmall  *small
	lastMedium *medium
)

func argument(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	bytes, n, rounds := argument(1), argument(2), argument(3)
	var ns []float64
	for range rounds {
		start := time.Now()
		if bytes == 16 {
			for range n {
				lastSmall = &small{}
			}
		} else {
			for range n {
				lastMedium = &medium{}
			}
		}
		ns = append(ns, float64(time.Since(start).Nanoseconds())/float64(n))
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	json.NewEncoder(os.Stdout).Encode(map[string]any{"ns_per_object": ns, "collections": stats.NumGC})
}
