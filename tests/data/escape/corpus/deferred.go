// Package deferred: defers with arguments, in loops, of methods and literals; recover and named results.
package deferred

import (
	"fmt"
	"os"
	"sync"
	"time"
)

type tx struct {
	log    []string
	closed bool
}

func (t *tx) rollback()           { t.closed = true }
func (t *tx) note(s string)       { t.log = append(t.log, s) }
func (t tx) print(prefix *string) { println(*prefix, len(t.log)) }

func begin() *tx { return &tx{} }

func withTx(f func(*tx) error) (err error) {
	t := begin()
	defer t.rollback()
	defer func() {
		if err != nil {
			t.note(err.Error())
		}
	}()
	return f(t)
}

func localTx(n int) int {
	var t tx
	defer t.rollback()
	t.note("begin")
	if n > 0 {
		defer t.note("positive")
	}
	return len(t.log)
}

func timed(name string) func() {
	begin := time.Now()
	return func() { fmt.Println(name, time.Since(begin)) }
}

func work() {
	defer timed("work")()
	time.Sleep(time.Millisecond)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		defer f.Close()
	}
}

func closeAllNow(files []*os.File) {
	for _, f := range files {
		func() {
			defer f.Close()
			f.Sync()
		}()
	}
}

func locked(mu *sync.Mutex, m map[string]int, k string) int {
	mu.Lock()
	defer mu.Unlock()
	return m[k]
}

func arguments(p *int, s string) {
	x := *p
	defer fmt.Println(s, x)
	defer func(q *int) { *q = x }(p)
	x++
}

func loopArguments(ps []*int) {
	for i, p := range ps {
		defer func(n int) { *p += n }(i)
	}
}

func recovered() (v any) {
	defer func() { v = recover() }()
	panic(&tx{})
}

func printed(t *tx) {
	prefix := "tx"
	defer t.print(&prefix)
	defer (*tx).note(t, "printed")
}

func conditional(n int) (s []int) {
	for i := 0; i < n; i++ {
		if i == 3 {
			defer func() { s = append(s, i) }()
			break
		}
	}
	return
}
