// A small heap with something of everything that a dump has to tell apart: pointer and pointer-free
// objects of many size classes, spans filled to the last slot, tiny blocks, large objects, interior
// pointers, finalizers (with functions in the heap, some queued), a blocked goroutine, deferred calls.
//
// nogreentea.dump.gz and nogreentea.memstats.json were made on linux/amd64 with Go 1.26.8:
//
//	GOEXPERIMENT=nogreenteagc go build -trimpath nogreentea.go
//	env -i GOMAXPROCS=1 ./nogreentea nogreentea.dump > nogreentea.memstats.json
//	gzip -9n nogreentea.dump
//
// With Green Tea off small spans keep no mark bits behind their objects, so more of the slots in the
// dump are real. Without GOEXPERIMENT the same program makes the other kind.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

type node struct {
	next  *node
	value int
}

type wide struct {
	left, right *wide
	payload     [1000]byte
}

type resource struct {
	name  *string
	child *node
}

var (
	words   []*int64
	bytes   [][]byte
	scans   []any
	list    *node
	tree    *wide
	tiny    []*byte
	middle  *byte // into a large object
	large   [][]*node
	claimed []*resource
	never   = make(chan int) // the first finalizer that runs keeps the others queued
	before  runtime.MemStats
)

// One slot more than a page has, so that at least one page is full.
func fill() {
	for range 1100 {
		words = append(words, new(int64))
	}
	for size := 16; size <= 512; size *= 2 {
		for range 8192/size + 2 {
			bytes = append(bytes, make([]byte, size))
		}
	}
	for range 600 {
		list = &node{next: list, value: len(words)}
	}
	for range 60 {
		scans = append(scans, new([4]*node), new([6]any), new([14]*node), new([64]*node))
	}
	for range 1100 {
		scans = append(scans, new(*node))
	}
	for i := range 20 {
		tree = &wide{left: tree, payload: [1000]byte{byte(i)}}
	}
	for i := range 40 {
		tiny = append(tiny, new(byte))
		*tiny[i] = byte(i)
	}
	blob := make([]byte, 40<<10)
	middle = &blob[12345]
	large = append(large, make([]*node, 6000))
	large[0][5999] = list
}

//go:noinline
func claim(kept bool) {
	name := "resource"
	r := &resource{name: &name, child: &node{next: list}}
	done := new(int)
	runtime.SetFinalizer(r, func(*resource) { *done++; <-never })
	if kept {
		claimed = append(claimed, r)
	}
}

func wait(in chan *node, buffer []byte) {
	n := <-in
	runtime.KeepAlive(n)
	runtime.KeepAlive(buffer)
}

func dump(out *os.File) {
	hold := &node{value: 1}
	defer func() { runtime.KeepAlive(hold) }()
	for i := range 3 {
		defer func() { runtime.KeepAlive(i) }() // in a loop: a record in the heap
	}
	fd := out.Fd()
	runtime.GC()
	runtime.ReadMemStats(&before)
	debug.WriteHeapDump(fd)
	runtime.KeepAlive(out)
}

func main() {
	debug.SetGCPercent(-1)
	runtime.MemProfileRate = 0
	out, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	fill()
	go wait(make(chan *node), make([]byte, 4096))
	time.Sleep(10 * time.Millisecond)
	for i := range 4 {
		claim(i%2 == 0)
	}
	clear(large[0][:5000])
	dump(out)
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"go": runtime.Version(), "HeapObjects": before.HeapObjects, "HeapAlloc": before.HeapAlloc,
		"Mallocs": before.Mallocs, "Frees": before.Frees, "NumGC": before.NumGC,
	})
}
