// A leak and a cache, which one dump cannot tell apart: both are maps in globals that hold records.
// The cache holds at most 64 of them. The program is dumped twice, as it goes on.
//
//	go build -trimpath cache.go
//	./cache older.dump newer.dump
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

type record struct {
	key  string
	body [1000]byte
}

var (
	leakMap   = map[string]*record{} // never pruned
	goodCache = map[string]*record{} // at most 64 records
	blocked   = make(chan int)
)

func store(n int) {
	for range n {
		key := fmt.Sprintf("record %d", len(leakMap))
		leakMap[key] = &record{key: key}
		if len(goodCache) == 64 {
			for old := range goodCache {
				delete(goodCache, old)
				break
			}
		}
		goodCache[key] = &record{key: key}
	}
}

func waitForever(buffer []byte) {
	<-blocked
	runtime.KeepAlive(buffer)
}

func dump(name string) {
	runtime.GC()
	file, err := os.Create(name)
	if err != nil {
		panic(err)
	}
	debug.WriteHeapDump(file.Fd())
	file.Close()
}

func main() {
	for range 5 {
		go waitForever(make([]byte, 8000))
	}
	store(500)
	dump(os.Args[1])
	store(700)
	dump(os.Args[2])
	runtime.KeepAlive(blocked)
}
