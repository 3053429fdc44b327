// Command stack_and_heap has the functions of section 11.1.2, and those that show where its rules of thumb end. It
// prints how many objects and bytes a call of each allocates. The notebook lets this very file be analysed.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
)

type object struct {
	id   int
	data [120]byte
}

// The chapter's own.

//go:noinline
func stackAllocation() int {
	var x int = 42
	var arr [10]int
	var smallSlice = make([]int, 5)
	sum := x + arr[0] + smallSlice[0]
	return sum
}

//go:noinline
func heapAllocation() *int {
	var x int = 42
	return &x
}

//go:noinline
func closureStays() int {
	local := make([]int, 10)
	closure := func() int { return local[0] }
	return closure()
}

//go:noinline
func indirectAssignment() int {
	local := make([]int, 10)
	indirect := &local[0]
	*indirect = 100
	return local[0]
}

//go:noinline
func bigArray() int {
	s := make([]int, 100000)
	s[1] = 7
	return len(s) + s[1]
}

func inlineFunction(x int) int { return x * 2 }

// With inlining the compiler sees that x does not outlive this caller.

func inlinedAllocation() *int {
	x := 42
	return &x
}

//go:noinline
func usesInlined() int { return *inlinedAllocation() }

// Objects, kept and returned.

//go:noinline
func objectStays(n int) int {
	o := &object{id: n}
	o.data[3] = 1
	return o.id + int(o.data[3])
}

//go:noinline
func objectLeaves(n int) *object { return &object{id: n} }

// "Assigning to an interface escapes."

//go:noinline
func interfaceConstant() any {
	var i any = 42
	return i
}

//go:noinline
func interfaceLeaves(n int) any { return n }

//go:noinline
func interfaceStays(n int) bool {
	var i any = n
	_, ok := i.(int)
	return ok
}

//go:noinline
func pointerInInterface(o *object) any { return o }

// "A closure's variables escape."

//go:noinline
func closureLeaves(n int) func() int { return func() int { return n } }

//go:noinline
func closureCounts() func() int {
	n := 0
	return func() int { n++; return n }
}

// "A big slice must be on the heap."

//go:noinline
func sliceAtLimit() int {
	s := make([]int, 8192)
	s[1] = 7
	return len(s) + s[1]
}

//go:noinline
func bigLiteral() int {
	s := []int{99_999: 1}
	s[1] = 7
	return len(s) + s[1]
}

//go:noinline
func sliceOf(n int) int {
	s := make([]int, n)
	s[0] = 7
	return len(s) + s[0]
}

// "A map is always on the heap."

//go:noinline
func mapStays(k int) int {
	m := make(map[int]int)
	m[k] = 2
	m[k+1] = 3
	return m[k] + len(m)
}

//go:noinline
func mapLeaves(k int) map[int]int {
	m := make(map[int]int)
	m[k] = 2
	return m
}

//go:noinline
func storeThrough(pp **int) {
	x := 1
	*pp = &x
}

var (
	sinkInt    *int
	sinkAny    any
	sinkObject *object
	sinkFunc   func() int
	sinkMap    map[int]int
	total      int
)

// perCall is the number of objects and bytes that one call allocates.
func perCall(calls uint64, f func()) [2]uint64 {
	var before, after runtime.MemStats
	f()
	runtime.ReadMemStats(&before)
	for range calls {
		f()
	}
	runtime.ReadMemStats(&after)
	return [2]uint64{
		(after.Mallocs - before.Mallocs) / calls, (after.TotalAlloc - before.TotalAlloc) / calls,
	}
}

// A stack that grows when calls nest deeply, and shrinks when a collection finds a quarter of it used.

//go:noinline
func deep(n int, bottom func()) byte {
	var frame [1024]byte
	frame[n] = byte(n)
	if n == 0 {
		bottom()
		return frame[0]
	}
	return frame[n] + deep(n-1, bottom)
}

func stackKiB(less uint64) uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return (m.StackInuse - less) >> 10
}

// stackSizes are of one goroutine: how much more memory all stacks take than before it grew, in KiB.
func stackSizes() (kib []uint64) {
	done := make(chan bool)
	go func() {
		for range 3 {
			runtime.GC() // the collector's own goroutines have their stacks from now on
		}
		start := stackKiB(0) << 10
		kib = append(kib, stackKiB(start))
		deep(200, func() { kib = append(kib, stackKiB(start)) })
		for range 4 {
			runtime.GC()
			kib = append(kib, stackKiB(start))
		}
		done <- true
	}()
	<-done
	return
}

func main() {
	debug.SetGCPercent(-1)
	measured := map[string]any{"go": runtime.Version()}
	measured["stack KiB: before, deep, after 1, 2, 3, 4 cycles"] = stackSizes()
	o := new(object)
	for name, f := range map[string]func(){
		"stackAllocation":        func() { total += stackAllocation() },
		"heapAllocation":         func() { sinkInt = heapAllocation() },
		"closureStays":           func() { total += closureStays() },
		"indirectAssignment":     func() { total += indirectAssignment() },
		"inlineFunction":         func() { total += inlineFunction(42) },
		"usesInlined":            func() { total += usesInlined() },
		"objectStays":            func() { total += objectStays(3) },
		"objectLeaves":           func() { sinkObject = objectLeaves(3) },
		"interfaceConstant":      func() { sinkAny = interfaceConstant() },
		"interfaceLeaves":        func() { sinkAny = interfaceLeaves(1000) },
		"interfaceLeaves, n=200": func() { sinkAny = interfaceLeaves(200) },
		"interfaceStays":         func() { interfaceStays(1000) },
		"pointerInInterface":     func() { sinkAny = pointerInInterface(o) },
		"closureLeaves":          func() { sinkFunc = closureLeaves(3) },
		"closureCounts":          func() { sinkFunc = closureCounts() },
		"sliceAtLimit":           func() { total += sliceAtLimit() },
		"bigLiteral":             func() { total += bigLiteral() },
		"sliceOf, n=4":           func() { total += sliceOf(4) },
		"sliceOf, n=5":           func() { total += sliceOf(5) },
		"mapStays":               func() { total += mapStays(3) },
		"mapLeaves":              func() { sinkMap = mapLeaves(3) },
		"storeThrough":           func() { storeThrough(&sinkInt) },
	} {
		measured[name] = perCall(1000, f)
	}
	measured["bigArray"] = perCall(20, func() { total += bigArray() })
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(measured); err != nil {
		panic(err)
	}
}
