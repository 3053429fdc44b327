// What Go does with the objects of chapter 11.7.2 and 11.7.3, which 10_fragmentation_numa_and_pages.ipynb runs on gcsim.
//
//	GOMAXPROCS=1 go run fragmentation.go > fragmentation.json
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"unsafe"
)

const page = 8192

func stats() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return
}

// Live objects of each size, as MemStats has them.
func live(m *runtime.MemStats) map[uint32]int64 {
	objects := map[uint32]int64{}
	for _, by := range m.BySize {
		objects[by.Size] = int64(by.Mallocs - by.Frees)
	}
	return objects
}

var objects [][]byte

// The chapter's experiment: six sizes in turn, every other object dropped. What of each size is left.
func chapter(n int) map[uint32]int64 {
	sizes := []int{64, 128, 256, 512, 1024, 2048}
	runtime.GC()
	runtime.GC()
	before := stats()
	objects = make([][]byte, 0, n)
	for i := range n {
		objects = append(objects, make([]byte, sizes[i%len(sizes)]))
	}
	for i := 0; i < n; i += 2 {
		objects[i] = nil
	}
	runtime.GC()
	after, left := stats(), map[uint32]int64{}
	was, is := live(&before), live(&after)
	for _, size := range sizes {
		left[uint32(size)] = is[uint32(size)] - was[uint32(size)]
	}
	objects = nil
	return left
}

var kept [][]byte

// Objects of one size, of which one in each page is kept: how many are left, and whether what they hold is their pages.
func survivors(n, size int) map[string]any {
	runtime.GC()
	before := stats()
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, size)
	}
	kept = make([][]byte, 0, n)
	last := uintptr(0)
	for _, object := range all {
		if at := uintptr(unsafe.Pointer(&object[0])) / page; at != last {
			last = at
			kept = append(kept, object)
		}
	}
	all = nil
	runtime.GC()
	after := stats()
	held := float64(after.HeapInuse-before.HeapInuse) - float64(cap(kept)*24)
	return map[string]any{
		"kept":                        len(kept),
		"an object each holds a page": held > 0.95*page*float64(len(kept)),
		"used of them":                float64(len(kept)*size) / float64(len(kept)*page),
	}
}

// Do new objects go into the holes? The pages that they take.
func reuse(n, size, other int) map[string]bool {
	objects = make([][]byte, 0, 2*n)
	before := stats()
	for range n {
		objects = append(objects, make([]byte, size))
	}
	same := stats()
	for range n {
		objects = append(objects, make([]byte, other))
	}
	another := stats()
	grown := func(a, b *runtime.MemStats) float64 { return float64(b.HeapInuse) - float64(a.HeapInuse) }
	return map[string]bool{
		"same size fits into the holes": grown(&before, &same) < 0.05*float64(n*size),
		"another size takes new pages":  grown(&same, &another) > 0.8*float64(n*other),
	}
}

func released() bool {
	kept, objects = nil, nil
	debug.FreeOSMemory()
	m := stats()
	return m.HeapIdle-m.HeapReleased < 64<<10
}

type node struct {
	inside *byte
	next   *node
}

// A file's bytes as memory, and pointers into it from the heap: the collector does not look there.
func mapped() map[string]bool {
	file, err := os.CreateTemp("", "mapped")
	if err != nil {
		panic(err)
	}
	defer os.Remove(file.Name())
	if err := file.Truncate(64 << 20); err != nil {
		panic(err)
	}
	runtime.GC()
	before := stats()
	data, err := syscall.Mmap(int(file.Fd()), 0, 64<<20, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	var list *node
	for i := range 1000 {
		list = &node{&data[i*4096], list}
	}
	runtime.GC()
	after := stats()
	sum := 0
	for n := list; n != nil; n = n.next {
		sum += int(*n.inside)
	}
	return map[string]bool{
		"the heap does not count it": int64(after.HeapAlloc-before.HeapAlloc) < 1<<20,
		"pointers into it are read":  sum == 0,
	}
}

func main() {
	debug.SetGCPercent(-1)
	result := map[string]any{
		"go":                        runtime.Version(),
		"chapter, 1000":             chapter(1000),
		"chapter, 6000":             chapter(6000),
		"survivors of 64 B":         survivors(60_000, 64),
		"reuse":                     reuse(40_000, 64, 80),
		"mapped":                    mapped(),
		"all free memory went back": released(),
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.Encode(result)
}
