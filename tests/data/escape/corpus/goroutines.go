// Package goroutines: go statements with arguments, captures, methods; select, timers, contexts.
package goroutines

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

type task struct {
	n    int
	done chan struct{}
}

func (t *task) run()              { t.n++; close(t.done) }
func (t task) copyRun(out *int64) { atomic.AddInt64(out, int64(t.n)) }

func start(n int) *task {
	t := &task{n: n, done: make(chan struct{})}
	go t.run()
	return t
}

func startCopy(n int) int64 {
	var out int64
	t := task{n: n}
	go t.copyRun(&out)
	return atomic.LoadInt64(&out)
}

func parallel(xs []int, f func(int) int) []int {
	out := make([]int, len(xs))
	var wg sync.WaitGroup
	for i, x := range xs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			out[i] = f(x)
		}()
	}
	wg.Wait()
	return out
}

func modern(xs []int) (total atomic.Int64) {
	var wg sync.WaitGroup
	for _, x := range xs {
		wg.Go(func() { total.Add(int64(x)) })
	}
	wg.Wait()
	return
}

func first(ctx context.Context, fs ...func(context.Context) (int, error)) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		n   int
		err error
	}
	answers := make(chan answer, len(fs))
	for _, f := range fs {
		go func() {
			n, err := f(ctx)
			answers <- answer{n, err}
		}()
	}
	select {
	case a := <-answers:
		return a.n, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func ticker(d time.Duration, f func(time.Time)) (stop func()) {
	t := time.NewTicker(d)
	quit := make(chan bool)
	go func() {
		for {
			select {
			case now := <-t.C:
				f(now)
			case <-quit:
				t.Stop()
				return
			}
		}
	}()
	return func() { quit <- true }
}

func after(d time.Duration, v *task) {
	time.AfterFunc(d, func() { v.n = 0 })
}

func leak(big []byte) chan int {
	ch := make(chan int)
	go func() {
		ch <- len(big)
	}()
	return ch
}

func sendPointers(ch chan<- *task, n int) {
	for i := range n {
		t := task{n: i}
		ch <- &t
	}
}

func receive(ch <-chan *task) (ts []*task) {
	for t := range ch {
		if t == nil {
			continue
		}
		ts = append(ts, t)
	}
	return ts
}

func onceValue() func() *task {
	return sync.OnceValue(func() *task { return &task{} })
}
