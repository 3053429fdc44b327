// What Go itself says about the leaks of 11.4.1 that 05_leaks.ipynb runs on gcsim.
//
//	GOMAXPROCS=1 go run leaks.go > leaks.json
//
// Each service serves 100 requests with a body of 16 KiB; a cleanup counts the bodies that the collector frees.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

const requests = 100

type body [16 << 10]byte

var (
	freed    atomic.Int64
	handlers []func() int
	titles   [][]byte
	sessions = map[int]*body{}
	seen     []int
)

func watched() *body {
	b := new(body)
	runtime.AddCleanup(b, func(int) { freed.Add(1) }, 0)
	return b
}

// How many of 100 are freed.
func serve(request func(i int)) int64 {
	freed.Store(0)
	for i := range requests {
		request(i)
	}
	time.Sleep(10 * time.Millisecond) // goroutines come to where they wait
	for range 3 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	return freed.Load()
}

func leakyClosure(int) {
	b := watched()
	handlers = append(handlers, func() int { return len(b[:]) + int(b[0]) })
}

func fixedClosure(int) {
	b := watched()
	size := len(b)
	handlers = append(handlers, func() int { return size })
}

// The chapter's: the closures captured the variable, which is nil afterwards.
func chapterClosure(int) {
	b := watched()
	data := b[:]
	f := func() int { return len(data) }
	handlers = append(handlers, f)
	data = nil
	seen = append(seen, f())
}

func leakySubSlice(int) {
	titles = append(titles, watched()[:10])
}

func fixedSubSlice(int) {
	title := make([]byte, 10)
	copy(title, watched()[:10])
	titles = append(titles, title)
}

func leakyMap(i int) {
	sessions[i] = watched()
}

func fixedMap(i int) {
	sessions[-1-i] = watched()
	delete(sessions, -1-i)
}

func leakyTimer(int) {
	b := watched()
	time.AfterFunc(time.Hour, func() { b[0] = 1 })
}

func fixedTimer(int) {
	b := watched()
	time.AfterFunc(time.Hour, func() { b[0] = 1 }).Stop()
}

// Nobody refers to it and nobody stops it; what is counted is the timer itself.
func newTimer(int) {
	runtime.AddCleanup(time.NewTimer(time.Hour), func(int) { freed.Add(1) }, 0)
}

func leakyGoroutine(int) {
	b, ch := watched(), make(chan int)
	go func() {
		ch <- 42
		b[0] = 1
	}()
}

func fixedGoroutine(int) {
	b, ch := watched(), make(chan int, 1)
	go func() {
		ch <- 42
		b[0] = 1
	}()
}

func main() {
	result := map[string]any{
		"go":                        runtime.Version(),
		"requests":                  requests,
		"closure":                   map[string]int64{"leaky": serve(leakyClosure), "fixed": serve(fixedClosure)},
		"closure as in the chapter": serve(chapterClosure),
		"sub-slice":                 map[string]int64{"leaky": serve(leakySubSlice), "fixed": serve(fixedSubSlice)},
		"map":                       map[string]int64{"leaky": serve(leakyMap), "fixed": serve(fixedMap)},
		"timer":                     map[string]int64{"leaky": serve(leakyTimer), "fixed": serve(fixedTimer)},
		"NewTimer dropped":          serve(newTimer),
		"goroutine":                 map[string]int64{"leaky": serve(leakyGoroutine), "fixed": serve(fixedGoroutine)},
	}
	longest := 0
	for _, length := range seen {
		longest = max(longest, length)
	}
	result["length that the chapter's closures see"] = longest
	runtime.KeepAlive(handlers)
	runtime.KeepAlive(titles)
	runtime.KeepAlive(sessions)
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(result); err != nil {
		panic(err)
	}
}
