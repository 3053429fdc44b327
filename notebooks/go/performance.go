// What Go itself says about the programs of the chapter that 07_performance.ipynb runs on gcsim.
//
//	GOMAXPROCS=1 go run performance.go > performance.json
//	go run performance.go times
//
// The first prints only what is the same in every run: counts and bytes. The second prints ns, of the machine that it runs on.
package main

import (
	"encoding/json"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

type valueStruct struct {
	ID   int
	Name string
	Data [100]byte
}

type pointerStruct struct {
	ID   *int
	Name *string
	Data *[100]byte
}

type embeddedStruct struct {
	valueStruct
	Extra string
}

type listNode struct {
	value int
	next  *listNode
}

var (
	values   []valueStruct
	pointers []pointerStruct
	sink     []byte
	bytePool = sync.Pool{New: func() any { return make([]byte, 64) }}
	ptrPool  = sync.Pool{New: func() any { return new([64]byte) }}
)

// --- 11.3.3

func name(i int) string {
	var text [16]byte
	return string(strconv.AppendInt(append(text[:0], "name"...), int64(i), 10))
}

func makeValues() {
	values = make([]valueStruct, 1000)
	for i := range values {
		values[i] = valueStruct{ID: i, Name: name(i)}
	}
}

func makePointers() {
	pointers = make([]pointerStruct, 1000)
	for i := range pointers {
		id, name, data := i, name(i), [100]byte{}
		pointers[i] = pointerStruct{&id, &name, &data}
	}
}

func mallocs(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// --- the final demo

func onStack() {
	var arr [64]byte
	arr[0] = 1
}

func onHeapSaysTheChapter() {
	arr := make([]byte, 64)
	arr[0] = 1
}

func onHeap() { sink = make([]byte, 64) }

func fromPool() {
	arr := bytePool.Get().([]byte)
	arr[0] = 1
	bytePool.Put(arr)
}

func fromPoolOfPointers() {
	arr := ptrPool.Get().(*[64]byte)
	arr[0] = 1
	ptrPool.Put(arr)
}

var demo = map[string]func(){
	"stack": onStack, "heap, as written": onHeapSaysTheChapter, "heap": onHeap,
	"pool, as written": fromPool, "pool of pointers": fromPoolOfPointers,
}

// --- 11.2.3: pointer stores; the loop stands in a function of its own, so that nothing of it is known

//go:noinline
func store(nodes []*listNode) {
	for i := range len(nodes) - 1 {
		nodes[i].next = nodes[i+1]
	}
}

//go:noinline
func storeInts(nodes []*listNode) {
	for i := range len(nodes) - 1 {
		nodes[i].value = i
	}
}

func makeNodes(n int) []*listNode {
	nodes := make([]*listNode, n)
	for i := range nodes {
		nodes[i] = &listNode{value: i}
	}
	return nodes
}

func counts() map[string]any {
	debug.SetGCPercent(-1)
	out := map[string]any{
		"go":               runtime.Version(),
		"value bytes":      unsafe.Sizeof(valueStruct{}),
		"pointer bytes":    unsafe.Sizeof(pointerStruct{}),
		"embedded bytes":   unsafe.Sizeof(embeddedStruct{}),
		"value mallocs":    mallocs(makeValues),
		"pointer mallocs":  mallocs(makePointers),
		"embedded mallocs": mallocs(func() { _ = embeddedStruct{} }),
	}
	nodes := makeNodes(1000)
	var before, after runtime.MemStats
	debug.SetGCPercent(100)
	runtime.ReadMemStats(&before)
	store(nodes)
	runtime.ReadMemStats(&after)
	debug.SetGCPercent(-1)
	out["cycles while the chapter stores"] = after.NumGC - before.NumGC
	for what, work := range demo {
		out["mallocs: "+what] = testing.AllocsPerRun(1000, work)
	}
	return out
}

// --- times

func perItem(n int, work func()) float64 {
	best := time.Duration(1 << 62)
	for range 9 {
		start := time.Now()
		work()
		best = min(best, time.Since(start))
	}
	return float64(best.Nanoseconds()) / float64(n)
}

func list(order []int) *listNode {
	nodes := make([]listNode, len(order))
	for i, at := range order[:len(order)-1] {
		nodes[at].next = &nodes[order[i+1]]
	}
	return &nodes[order[0]]
}

//go:noinline
func add(array []int) (sum int) {
	for _, v := range array {
		sum += v
	}
	return sum
}

//go:noinline
func walk(head *listNode) (sum int) {
	for node := head; node != nil; node = node.next {
		sum += node.value
	}
	return sum
}

func sharing(apart, n int) float64 {
	counters := make([]uint64, 64)
	return perItem(n, func() {
		var wait sync.WaitGroup
		for t := range 2 {
			wait.Go(func() {
				for range n {
					atomic.AddUint64(&counters[t*apart/8], 1)
				}
			})
		}
		wait.Wait()
	})
}

func times() map[string]float64 {
	const n = 1_000_000
	out := map[string]float64{}
	array, inOrder, total := make([]int, n), make([]int, n), 0
	for i := range inOrder {
		inOrder[i] = i
	}
	straight, shuffled := list(inOrder), list(rand.New(rand.NewSource(7)).Perm(n))
	out["array"] = perItem(n, func() { total += add(array) })
	out["list in order"] = perItem(n, func() { total += walk(straight) })
	out["list shuffled"] = perItem(n, func() { total += walk(shuffled) })
	out["counters in one line"], out["counters in two lines"] = sharing(8, n), sharing(128, n)
	for what, work := range demo {
		out[what] = perItem(n, func() {
			for range n {
				work()
			}
		})
	}
	nodes := makeNodes(n)
	out["int stores"] = perItem(n, func() { storeInts(nodes) })
	out["pointer stores, no cycle"] = perItem(n, func() { store(nodes) })
	var stop atomic.Bool
	go func() {
		for !stop.Load() {
			runtime.GC()
		}
	}()
	const rounds = 20 // all of them: the best would be the one between two cycles
	start := time.Now()
	for range rounds {
		store(nodes)
	}
	out["pointer stores, cycles all the time"] = float64(time.Since(start).Nanoseconds()) / n / rounds
	stop.Store(true)
	runtime.KeepAlive(total)
	for what, ns := range out {
		out[what] = float64(int(ns*100)) / 100
	}
	return out
}

func main() {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if len(os.Args) > 1 && os.Args[1] == "times" {
		encoder.Encode(times())
	} else {
		encoder.Encode(counts())
	}
}
