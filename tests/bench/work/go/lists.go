package main

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

type listNode struct {
	next  *listNode
	value uint64
}

func list(words []string) told {
	n := number(words[0])
	var head *listNode
	var stop atomic.Bool
	ended := make(chan struct{})
	start := time.Now()
	go func() {
		for !stop.Load() {
			runtime.GC()
		}
		close(ended)
	}()
	for i := range n {
		head = &listNode{head, uint64(i)}
	}
	ns := nsSince(start) / float64(n)
	stop.Store(true)
	<-ended
	count := uint64(0)
	for p := head; p != nil; p = p.next {
		count += p.value
	}
	return told{"check": count, "ns_per_insert": ns}
}

type spikeBlock struct {
	next  *spikeBlock
	words [127]uint64
}

type smallObject struct {
	a, b *smallObject
	rest [2]uint64
}

var lastSmall *smallObject

func spikes(words []string) told {
	blocks, times, check := number(words[0])/1024, number(words[1]), uint64(0)
	var kept, spike *spikeBlock
	start := time.Now()
	for range times {
		kept = nil
		for i := range blocks {
			list := &spike
			if i%16 == 0 {
				list = &kept
			}
			b := &spikeBlock{next: *list}
			b.words[i%127] = uint64(i)
			*list = b
			check += b.words[7]
		}
		spike = nil
		for range 100000 {
			lastSmall = &smallObject{}
		}
	}
	runtime.KeepAlive(kept)
	return told{"check": check, "seconds": time.Since(start).Seconds()}
}

func resident(words []string) told {
	const rollup = "/proc/self/smaps_rollup"
	debug.SetGCPercent(-1)
	n := number(words[0])
	procBytes(rollup, "Rss:") // the first reading brings in what reading takes
	before := procBytes(rollup, "Rss:")
	var head *node
	for range n {
		head = &node{left: head}
	}
	ratio := func() float64 { return float64(procBytes(rollup, "Rss:")-before) / float64(n) / 16 }
	built := ratio()
	runtime.GC()
	collected := ratio()
	runtime.KeepAlive(head)
	return told{"check": n, "payload_ratio": built, "collected_ratio": collected}
}
