// What Go itself says about the claims of the second article that 00_index.ipynb looks at.
//
//	go run second_article.go > second_article.json
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"unsafe"
	"weak"
)

type node struct {
	next *node
	data [4]int
}

var keep []*node

// Whether one of a hundred objects lies elsewhere after ten collections, and half of its neighbours gone.
func moved() bool {
	keep = nil
	var at []uintptr
	for range 100 {
		keep = append(keep, new(node))
		at = append(at, uintptr(unsafe.Pointer(keep[len(keep)-1])))
	}
	for i := 0; i < 100; i += 2 {
		keep[i] = nil
	}
	for range 10 {
		runtime.GC()
	}
	for i := 1; i < 100; i += 2 {
		if uintptr(unsafe.Pointer(keep[i])) != at[i] {
			return true
		}
	}
	return false
}

//go:noinline
func ring() weak.Pointer[node] {
	a, b := new(node), new(node)
	a.next, b.next = b, a
	return weak.Make(a)
}

//go:noinline
func alone() weak.Pointer[node] { return weak.Make(new(node)) }

// The file that the page of an address was mapped from; "" for none.
func fileOf(p unsafe.Pointer) string {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return ""
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		fields := strings.Fields(lines.Text())
		fmt.Sscanf(fields[0], "%x-%x", &from, &to)
		if from <= uintptr(p) && uintptr(p) < to && len(fields) > 5 {
			return fields[5]
		}
	}
	return ""
}

func mallocs(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

var sink []byte

func main() {
	said := map[string]any{"go": runtime.Version()}
	said["an object was moved"] = moved()
	one := alone()
	said["freed when the last reference goes"] = one.Value() == nil
	pair := ring()
	runtime.GC()
	said["two objects that refer to each other are freed by a collection"] = pair.Value() == nil
	program, _ := os.Executable()
	said["a type's metadata lies in the program's file"] =
		fileOf(reflect.ValueOf(reflect.TypeOf(node{})).UnsafePointer()) == program
	n := len(os.Args) * 1000 // known only when it runs
	said["allocations of make([]byte, n)"] = mallocs(func() { sink = make([]byte, n) })
	pool := sync.Pool{New: func() any { return new(node) }}
	x := pool.Get()
	pool.Put(x)
	said["a pool gives back what was put"] = pool.Get() == x
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	_ = out.Encode(said)
}
