package main

import (
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
	_ "unsafe" // for linkname
)

const (
	batchStores = 1 << 14
	storeList   = 1 << 19
	leastCount  = 20
)

// The runtime's own flag (runtime/mgc.go); linking with -checklinkname=0 lets a program see it.
//
//go:linkname writeBarrier runtime.writeBarrier
var writeBarrier struct {
	enabled bool
	pad     [3]byte
	alignme uint64
}

func keepCollecting(stop *atomic.Bool) {
	head, _ := listOf(storeList)
	for !stop.Load() {
		runtime.GC()
		time.Sleep(5 * time.Millisecond)
	}
	runtime.KeepAlive(head)
}

func storeBatch(array []*node, objects *[2]*node, isRandom bool, seed *uint64) {
	mask, from := uint64(len(array)-1), *seed
	one, two := objects[0], objects[1]
	if isRandom {
		for range batchStores / 2 {
			from = from*6364136223846793005 + 1442695040888963407
			array[from>>33&mask] = one
			from = from*6364136223846793005 + 1442695040888963407
			array[from>>33&mask] = two
		}
	} else {
		for i := uint64(0); i < batchStores; i += 2 {
			array[i&mask] = one
			array[(i+1)&mask] = two
		}
	}
	*seed = from
}

func store(words []string) told {
	debug.SetGCPercent(-1)
	array := make([]*node, number(words[0]))
	objects := &[2]*node{{}, {}}
	var stop atomic.Bool
	ended := make(chan struct{})
	go func() {
		keepCollecting(&stop)
		close(ended)
	}()
	var batches [2][]float64 // ns
	seed := uint64(1)
	ends := time.Now().Add(time.Duration(number(words[2])) * 10 * time.Millisecond)
	for time.Now().Before(ends) || min(len(batches[0]), len(batches[1])) < leastCount {
		if time.Since(ends) > 20*time.Second {
			die("marking was hardly ever on, or hardly ever off")
		}
		on := writeBarrier.enabled
		start := time.Now()
		storeBatch(array, objects, words[1] == "random", &seed)
		took := nsSince(start)
		if on == writeBarrier.enabled {
			at := 0
			if on {
				at = 1
			}
			batches[at] = append(batches[at], took)
		}
	}
	stop.Store(true)
	<-ended
	median := func(ns []float64) float64 {
		slices.Sort(ns)
		return ns[len(ns)/2] / batchStores
	}
	return told{"check": 0, "ns_off": median(batches[0]), "ns_on": median(batches[1])}
}
