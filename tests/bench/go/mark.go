// A full collection of randomly linked 16-byte objects: the same graph as tests/bench/mark.c.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

type node struct{ left, right *node }

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

func reachable(links [][2]uint32) int {
	seen := make([]bool, len(links))
	todo := []uint32{0}
	seen[0] = true
	reached := 1
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range links[at] {
			if !seen[to] {
				seen[to] = true
				reached++
				todo = append(todo, to)
			}
		}
	}
	return reached
}

// The first object of the graph, and how many it reaches.
func build(n int, seed random) (*node, int) {
	objects := make([]*node, n)
	for i := range objects {
		objects[i] = &node{}
	}
	links := make([][2]uint32, n)
	for i := range links {
		links[i][0] = seed.below(uint64(n))
		links[i][1] = seed.below(uint64(n))
		objects[i].left = objects[links[i][0]]
		objects[i].right = objects[links[i][1]]
	}
	return objects[0], reachable(links)
}

func argument(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	debug.SetGCPercent(-1)
	n, seed, rounds := argument(1), argument(2), argument(3)
	root, reached := build(n, random(seed))
	runtime.GC() // warm-up; frees what cannot be reached
	var ns []float64
	for range rounds {
		start := time.Now()
		runtime.GC()
		ns = append(ns, float64(time.Since(start).Nanoseconds())/float64(reached))
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if objects := int(stats.HeapObjects); objects < reached || objects > reached+20000 {
		panic("the heap holds another number of objects than the links reach")
	}
	runtime.KeepAlive(root)
	json.NewEncoder(os.Stdout).Encode(map[string]any{"check": reached, "ns_per_object": ns})
}
