package main

import "time"

const (
	leaves     = 7
	entryBytes = (1 + leaves) * 64
	renew      = 64
)

type leaf struct {
	next *leaf
	rest [7]uint64
}

type block struct {
	leaves [leaves]*leaf
	number uint64
}

func fillBlock(number int) *block {
	b := &block{number: uint64(number)}
	for i := range b.leaves {
		b.leaves[i] = &leaf{}
	}
	return b
}

// The stops themselves are in what GODEBUG=gctrace=1 prints.
func stops(words []string) told {
	threads := number(words[1])
	entries, steps := number(words[0])/entryBytes/threads, number(words[2])/threads
	start := time.Now()
	checks := make([]uint64, threads)
	runThreads(threads, func(index int) {
		table := make([]*block, entries)
		seed, check := random(index), uint64(0)
		for i := range table {
			table[i] = fillBlock(i)
		}
		for i := range steps {
			at := seed.below(uint64(entries))
			b := table[at]
			check += b.number
			if i%renew == 0 {
				table[at] = fillBlock(i)
			} else {
				b.leaves[i%leaves] = &leaf{}
			}
		}
		checks[index] = check
	})
	check := uint64(0)
	for _, c := range checks {
		check += c
	}
	return told{"check": check, "seconds": time.Since(start).Seconds()}
}
