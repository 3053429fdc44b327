package main

import (
	"runtime"
	"runtime/debug"
	"time"
)

// How many objects the links reach from object 0.
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

func randomGraph(n int) (*node, int) {
	objects := make([]*node, n)
	for i := range objects {
		objects[i] = &node{}
	}
	seed := random(1)
	links := make([][2]uint32, n)
	for i := range links {
		links[i][0] = seed.below(uint64(n))
		links[i][1] = seed.below(uint64(n))
		objects[i].left = objects[links[i][0]]
		objects[i].right = objects[links[i][1]]
	}
	return objects[0], reachable(links)
}

func listOf(n int) (*node, int) {
	first := &node{}
	last := first
	for range n - 1 {
		last.left = &node{}
		last = last.left
	}
	return first, n
}

func treeOf(n int) (*node, int) {
	depth := 0
	for 4<<depth-1 <= n {
		depth++
	}
	return build(depth), 2<<depth - 1
}

func mark(words []string) told {
	debug.SetGCPercent(-1)
	n, rounds := number(words[1]), number(words[2])
	graph := map[string]func(int) (*node, int){"tree": treeOf, "random": randomGraph, "list": listOf}[words[0]]
	root, live := graph(n)
	runtime.GC() // warm-up; frees what cannot be reached
	var ns []float64
	for range rounds {
		start := time.Now()
		runtime.GC()
		ns = append(ns, nsSince(start)/float64(live))
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if objects := int(stats.HeapObjects); objects < live || objects > live+20000 {
		die("the heap holds another number of objects than the links reach")
	}
	runtime.KeepAlive(root)
	return told{"check": live, "ns_per_object": ns}
}

func empty(words []string) told {
	stop := make(chan struct{})
	for range number(words[0]) {
		go func() { <-stop }()
	}
	for range 20 {
		runtime.GC()
	}
	var us []float64
	for range number(words[1]) {
		start := time.Now()
		runtime.GC()
		us = append(us, nsSince(start)/1e3)
	}
	return told{"check": 0, "us": us}
}
