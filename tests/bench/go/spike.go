// After a spike: how long until resident memory is near the heap goal again. The same as tests/bench/spike.c.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

type block struct {
	next  *block
	words [127]uint64
}

func newBlock(number uint64) *block {
	p := new(block)
	for i := range p.words {
		p.words[i] = number
	}
	return p
}

func goOn() {
	for i := range uint64(64) {
		fresh = newBlock(i)
	}
	time.Sleep(2 * time.Millisecond)
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func residentNow() uint64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	return number(strings.Fields(string(statm))[1]) * uint64(os.Getpagesize())
}

var fresh *block

func build(low, high uint64) (head, kept *block) {
	for live := uint64(0); live < high; live += 1024 {
		p := newBlock(live)
		p.next = head
		head = p
		if live < low {
			kept = p
		}
	}
	return head, kept
}

func main() {
	high, low := number(os.Args[1]), number(os.Args[2])
	patience := time.Duration(number(os.Args[3])) * time.Second
	before := residentNow()
	head, kept := build(low, high)
	runtime.KeepAlive(head)
	peak, start := residentNow(), time.Now()
	head = nil
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	beside := s.Sys - s.HeapSys + before
	bound := (s.NextGC + beside) * 11 / 10
	rss, collected := residentNow(), time.Since(start)
	for rss > bound && time.Since(start) < patience {
		goOn()
		rss = residentNow()
	}
	fmt.Printf("{\"seconds\": %.4f, \"collect_seconds\": %.4f, \"reached\": %t, \"goal\": %d, \"beside\": %d, \"peak\": %d, \"rss\": %d}\n",
		time.Since(start).Seconds(), collected.Seconds(), rss <= bound, s.NextGC, beside, peak, rss)
	runtime.KeepAlive(kept)
}
