package main

import "time"

type node struct{ left, right *node }

const shortest = 4

func build(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	left := build(depth - 1)
	return &node{left, build(depth - 1)}
}

func (n *node) count() int {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

func trees(words []string) told {
	depth, threads := number(words[0]), number(words[1])
	start := time.Now()
	check := build(depth + 1).count()
	longLived := build(depth)
	checks := make([]int, threads)
	runThreads(threads, func(index int) {
		sum := 0
		for d := shortest; d <= depth; d += 2 {
			for i := index; i < 1<<(depth-d+shortest); i += threads {
				sum += d * build(d).count()
			}
		}
		checks[index] = sum
	})
	for _, c := range checks {
		check += c
	}
	check += longLived.count()
	return told{"check": check, "seconds": time.Since(start).Seconds()}
}
