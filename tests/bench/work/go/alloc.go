package main

import (
	"fmt"
	"strings"
	"time"
)

const (
	warmUp      = 3
	ringEntries = 1 << 16
	ringBytes   = 64 << 20
	roundBytes  = 128 << 20
)

type (
	with16 struct{ a, b *byte }
	with32 struct {
		a, b *byte
		rest [2]uint64
	}
	with64 struct {
		a, b *byte
		rest [6]uint64
	}
	with256 struct {
		a, b *byte
		rest [30]uint64
	}
	with1K struct {
		a, b *byte
		rest [126]uint64
	}
	with64K struct {
		a, b *byte
		rest [8190]uint64
	}
)

// One thread's share of a round for objects of type T: n of them, in a ring of so many entries, or (0) dropped at once.
func allocate[T any](n, entries int) {
	if entries == 0 {
		var last *T
		keep := &last
		escape(keep)
		for range n {
			*keep = new(T)
		}
		return
	}
	ring := make([]*T, entries)
	for i := range n {
		ring[i&(entries-1)] = new(T)
	}
}

var sink any

//go:noinline
func escape(p any) { sink = p }

var shares = map[string]func(n, entries int){
	"16 pointers":    allocate[with16],
	"32 pointers":    allocate[with32],
	"64 pointers":    allocate[with64],
	"256 pointers":   allocate[with256],
	"1024 pointers":  allocate[with1K],
	"65536 pointers": allocate[with64K],
	"16 plain":       allocate[[2]uint64],
	"32 plain":       allocate[[4]uint64],
	"64 plain":       allocate[[8]uint64],
	"256 plain":      allocate[[32]uint64],
	"1024 plain":     allocate[[128]uint64],
	"65536 plain":    allocate[[8192]uint64],
}

func alloc(words []string) told {
	threads, rounds, check := number(words[3]), number(words[4]), 0
	result := told{}
	for size := range strings.SplitSeq(words[0], ",") {
		bytes, share := number(size), shares[size+" "+words[1]]
		if share == nil {
			die("there are no objects of this size")
		}
		n, entries := min(2000000, roundBytes/bytes), 0
		if words[2] == "ring" {
			entries = min(ringEntries, ringBytes/bytes)
		}
		var ns []float64
		for i := range warmUp + rounds { // as in alloc.c
			start := time.Now()
			runThreads(threads, func(int) { share(n, entries) })
			if i >= warmUp {
				ns = append(ns, nsSince(start)/float64(n))
			}
			check += n * threads
		}
		result[fmt.Sprintf("ns_%d", bytes)] = ns
	}
	result["check"] = check
	return result
}
