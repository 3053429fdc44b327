// What Go itself says about the programs of the chapter that 01_memory_layout.ipynb runs on gcsim.
//
//	GOMAXPROCS=1 go run memory_layout.go > memory_layout.json
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"unsafe"
)

type BadStruct struct {
	a bool
	b int64
	c bool
	d int32
}

type GoodStruct struct {
	b int64
	d int32
	a bool
	c bool
}

type OptimalStruct struct {
	ptr1       *int
	ptr2       *string
	int64Val   int64
	float64Val float64
	int32Val   int32
	float32Val float32
	int16Val   int16
	int16Val2  int16
	byteVal1   byte
	byteVal2   byte
	boolVal1   bool
	boolVal2   bool
}

type BadRecord struct {
	a    bool
	b    int64
	c    bool
	d    int32
	e    bool
	name string
}

type GoodRecord struct {
	name string
	b    int64
	d    int32
	a    bool
	c    bool
	e    bool
}

type counts struct {
	HeapAlloc   int64 `json:"heap_alloc"`
	HeapObjects int64 `json:"heap_objects"`
	Mallocs     int64 `json:"mallocs"`
}

func read() counts {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return counts{int64(m.HeapAlloc), int64(m.HeapObjects), int64(m.Mallocs)}
}

func (after counts) since(before counts) counts {
	return counts{after.HeapAlloc - before.HeapAlloc, after.HeapObjects - before.HeapObjects, after.Mallocs - before.Mallocs}
}

var (
	pointers []*int8
	slices   [][]byte
	rows     [][]byte
	large    [][]byte
	bad      []BadRecord
	good     []GoodRecord
)

//go:noinline
func micro() {
	pointers = make([]*int8, 1000)
	for i := range pointers {
		value := int8(i)
		pointers[i] = &value
	}
}

//go:noinline
func small() {
	slices = make([][]byte, 100)
	for i := range slices {
		slices[i] = make([]byte, 1024)
	}
}

//go:noinline
func big() {
	large = make([][]byte, 10)
	for i := range large {
		large[i] = make([]byte, 64*1024)
	}
}

//go:noinline
func kilobytes() {
	rows = make([][]byte, 1000)
	for i := range rows {
		rows[i] = make([]byte, 1024)
	}
}

func measured(work func()) counts {
	before := read()
	work()
	return read().since(before)
}

func main() {
	debug.SetGCPercent(-1)
	read()
	out := map[string]any{"go": runtime.Version()}
	out["sizes"] = map[string]uintptr{
		"BadStruct": unsafe.Sizeof(BadStruct{}), "GoodStruct": unsafe.Sizeof(GoodStruct{}),
		"OptimalStruct": unsafe.Sizeof(OptimalStruct{}), "BadRecord": unsafe.Sizeof(BadRecord{}),
		"GoodRecord": unsafe.Sizeof(GoodRecord{}),
	}
	var b BadStruct
	out["offsets"] = map[string]uintptr{
		"a": unsafe.Offsetof(b.a), "b": unsafe.Offsetof(b.b), "c": unsafe.Offsetof(b.c), "d": unsafe.Offsetof(b.d),
	}
	out["aligns"] = map[string]uintptr{
		"bool": unsafe.Alignof(false), "int8": unsafe.Alignof(int8(0)), "int16": unsafe.Alignof(int16(0)),
		"int32": unsafe.Alignof(int32(0)), "int64": unsafe.Alignof(int64(0)), "float32": unsafe.Alignof(float32(0)),
		"float64": unsafe.Alignof(0.0), "string": unsafe.Alignof(""), "[]int": unsafe.Alignof([]int{}),
		"map[int]int": unsafe.Alignof(map[int]int{}), "*int": unsafe.Alignof((*int)(nil)),
	}
	programs := map[string]func(){
		"micro": micro, "small": small, "large": big,
		"records_bad":  func() { bad = make([]BadRecord, 500) },
		"records_good": func() { good = make([]GoodRecord, 500) },
	}
	for name, work := range programs {
		out[name] = measured(work)
	}
	runtime.GC()
	before := read()
	kilobytes()
	allocated := read().since(before)
	rows = nil
	runtime.GC()
	out["kilobytes"], out["kilobytes_after_gc"] = allocated, read().since(before)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	encoder.Encode(out)
}
