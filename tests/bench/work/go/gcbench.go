package main

import (
	"runtime"
	"time"
)

type gcNode struct {
	left, right *gcNode
	i, j        uint32
}

const numbersLength = 500000

func treeSize(depth int) int { return 1<<(depth+1) - 1 }

func populate(depth int, n *gcNode) {
	if depth == 0 {
		return
	}
	n.left = &gcNode{}
	n.right = &gcNode{}
	populate(depth-1, n.left)
	populate(depth-1, n.right)
}

func fromTheLeaves(depth int) *gcNode {
	if depth == 0 {
		return &gcNode{}
	}
	left := fromTheLeaves(depth - 1)
	right := fromTheLeaves(depth - 1)
	return &gcNode{left: left, right: right}
}

func (n *gcNode) count() int {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

func gcbench(words []string) told {
	longest := number(words[0])
	start := time.Now()
	check := 0
	longLived := &gcNode{}
	populate(longest, longLived)
	numbers := make([]uint64, numbersLength)
	for i := range numbersLength / 2 {
		numbers[i] = uint64(i)
	}
	for d := shortest; d <= longest; d += 2 {
		trees := 2 * treeSize(longest+2) / treeSize(d)
		for range trees {
			n := &gcNode{}
			populate(d, n)
			check += n.count()
		}
		for range trees {
			check += fromTheLeaves(d).count()
		}
	}
	check += longLived.count() + int(numbers[1000])
	runtime.KeepAlive(numbers)
	return told{"check": check, "seconds": time.Since(start).Seconds()}
}
