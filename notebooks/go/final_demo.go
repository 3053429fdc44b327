// What Go's own profile says of the allocating functions of the chapter's final demo, which 06_debugging_tools.ipynb runs on gcsim.
//
//	GOMAXPROCS=1 go run final_demo.go > final_demo.json
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"sync"
)

const iterations = 20_000

var leakedData [][]byte

func benchmarkHeapAllocation() {
	for i := range iterations {
		arr := make([]byte, 64)
		arr[0] = byte(i)
	}
}

func benchmarkPoolAllocation() {
	pool := sync.Pool{New: func() any { return make([]byte, 64) }}
	for i := range iterations {
		arr := pool.Get().([]byte)
		arr[0] = byte(i)
		pool.Put(arr)
	}
}

func simulateMemoryLeak() {
	for range 1000 {
		data := make([]byte, 1024)
		leakedData = append(leakedData, data)
	}
}

// The innermost function of ours.
func function(r *runtime.MemProfileRecord) string {
	frames := runtime.CallersFrames(r.Stack())
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if name, ours := strings.CutPrefix(f.Function, "main."); ours {
			return name
		}
	}
	return ""
}

func main() {
	runtime.MemProfileRate = 1 // everything, not one allocation in 512 KiB
	benchmarkHeapAllocation()
	benchmarkPoolAllocation()
	simulateMemoryLeak()
	runtime.GC()
	runtime.GC()
	runtime.MemProfileRate = 0
	records := make([]runtime.MemProfileRecord, 10_000)
	n, _ := runtime.MemProfile(records, true)
	alloc := map[string]int64{"benchmarkHeapAllocation": 0, "benchmarkPoolAllocation": 0, "simulateMemoryLeak": 0}
	inuse := map[string]int64{}
	for _, r := range records[:n] {
		name := function(&r)
		if _, asked := alloc[name]; asked {
			alloc[name] += r.AllocBytes
			inuse[name] += r.InUseBytes()
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"go": runtime.Version(), "alloc_space": alloc, "inuse_space": inuse})
}
