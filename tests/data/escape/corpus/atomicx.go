// Package atomicx: a lock-free stack, a copied configuration, once, conditions and weak pointers.
package atomicx

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

type node struct {
	v    int
	next *node
}

type Stack struct {
	head atomic.Pointer[node]
	n    atomic.Int64
}

func (s *Stack) Push(v int) {
	n := &node{v: v}
	for {
		n.next = s.head.Load()
		if s.head.CompareAndSwap(n.next, n) {
			s.n.Add(1)
			return
		}
	}
}

func (s *Stack) Pop() (int, bool) {
	for {
		n := s.head.Load()
		if n == nil {
			return 0, false
		}
		if s.head.CompareAndSwap(n, n.next) {
			s.n.Add(-1)
			return n.v, true
		}
	}
}

type config struct {
	limits map[string]int
	name   string
}

var current atomic.Value

func set(name string, limits map[string]int) {
	copied := make(map[string]int, len(limits))
	for k, v := range limits {
		copied[k] = v
	}
	current.Store(config{copied, name})
}

func get() config {
	c, _ := current.Load().(config)
	return c
}

type lazy struct {
	once sync.Once
	v    *config
	make func() *config
}

func (l *lazy) get() *config {
	l.once.Do(func() { l.v = l.make() })
	return l.v
}

type gate struct {
	mu   sync.Mutex
	cond *sync.Cond
	open bool
}

func newGate() *gate {
	g := &gate{}
	g.cond = sync.NewCond(&g.mu)
	return g
}

func (g *gate) wait() {
	g.mu.Lock()
	for !g.open {
		g.cond.Wait()
	}
	g.mu.Unlock()
}

func weakly(n *node) (weak.Pointer[node], func() *node) {
	w := weak.Make(n)
	return w, func() *node { return w.Value() }
}

func cleanup(n *node, f func(int)) {
	runtime.AddCleanup(n, f, n.v)
	runtime.KeepAlive(n)
}

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func bits(f float64) uint64 { return *(*uint64)(unsafe.Pointer(&f)) }

func offset(n *node) **node {
	return (**node)(unsafe.Add(unsafe.Pointer(n), unsafe.Offsetof(n.next)))
}

func counters(n int) int64 {
	var c int64
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		go func() {
			atomic.AddInt64(&c, 1)
			wg.Done()
		}()
	}
	wg.Wait()
	return atomic.LoadInt64(&c)
}

func cached(m *sync.Map, k string) *config {
	if v, ok := m.Load(k); ok {
		return v.(*config)
	}
	v, _ := m.LoadOrStore(k, &config{name: k})
	return v.(*config)
}
