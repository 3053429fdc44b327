// Globals that hold one of each: what a dump of them must say is known from here.
//
//	go build -trimpath types.go
//	./types types.dump
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

type node struct {
	next  *node
	value int
}

type tree struct {
	left, right *tree
	label       string
}

type item struct {
	name string
	next *node
	size [2]int64
}

type record struct {
	key  string
	body [1000]byte
}

type message struct {
	text string
	from *tree
}

type store struct {
	items  []item
	byName map[string]*record
	few    map[int]*record
}

type shape interface{ area() float64 }

type counter struct {
	lock sync.Mutex
	n    [20]int64
}

type chunk struct {
	head *node
	data [40]int64
}

type badge struct {
	owner *badge
	text  [6]int64
}

type registry struct {
	pad   [3]int64
	first *badge
}

type row struct {
	number int
	badge  *badge
}

type service struct {
	name string
	rows []row
	by   *registry
}

type point struct{ x, y, z float64 }

type square struct {
	side float64
	of   *node
}

func (s *square) area() float64 { return s.side * s.side }

var (
	list     *node                // 10 nodes
	root     *tree                // 15 trees, a full one
	cache    store                // 20 items in one array, 300 records, 5 more
	inbox    chan message         // buffer of 12, 3 messages in it
	drawn    shape                // 1 square
	anyOne   any                  // 1 square
	shared   atomic.Pointer[node] // 1 node
	boxes    []any                // a square, a square that is a value, a point, a map of 1 square
	locks    [3]*sync.Mutex       // the first fields of 3 counters, which counters holds
	counters []*counter
	heads    []**node // the first fields of 3 chunks, which chunks holds
	chunks   []any
	byNumber sync.Map                                                                                       // 40 points by number
	words    [4]string                                                                                      // 4 texts
	nested   [2]struct{ p *[3]*node }                                                                       // two arrays
	laid     = &service{rows: []row{{1, nil}, {2, nil}}, by: &registry{}, name: "laid out by the compiler"} // 1 badge of its registry, 1 of a row
)

func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	label := fmt.Sprintf("a tree of a depth of %d, with a label", depth)
	return &tree{grow(depth - 1), grow(depth - 1), label}
}

func fill() {
	laid.by.first = &badge{}
	laid.rows[1].badge = &badge{}
	for i := range 10 {
		list = &node{list, i}
	}
	root = grow(4)
	cache.items = make([]item, 20)
	for i := range cache.items {
		cache.items[i].name = fmt.Sprintf("item %d, which has a long name", i)
	}
	cache.items[3].next = &node{&node{nil, 1}, 2}
	cache.byName = map[string]*record{}
	for i := range 300 {
		key := fmt.Sprintf("record %d with a long key", i)
		cache.byName[key] = &record{key: key}
	}
	cache.few = map[int]*record{}
	for i := range 5 {
		cache.few[i] = &record{}
	}
	inbox = make(chan message, 12)
	for i := range 3 {
		inbox <- message{fmt.Sprintf("message %d, which is longer", i), root}
	}
	for i := range locks {
		counters = append(counters, new(counter))
		locks[i] = &counters[i].lock
		part := &chunk{head: &node{nil, i}}
		chunks, heads = append(chunks, part), append(heads, &part.head)
	}
	for i := range 40 {
		byNumber.Store(1000+i, &point{1, 2, float64(i)})
	}
	shared.Store(&node{nil, 4})
	boxes = []any{&square{1, nil}, square{2, &node{nil, 5}}, point{1, 2, float64(len(os.Args))}, map[int]*square{1: {4, nil}}}
	drawn = &square{2, &node{nil, 3}}
	anyOne = &square{3, nil}
	for i := range words {
		words[i] = fmt.Sprintf("word %d of those in an array", i)
	}
	for i := range nested {
		nested[i].p = new([3]*node)
		nested[i].p[2] = &node{nil, i}
	}
}

func main() {
	fill()
	runtime.GC()
	runtime.GC()
	file, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	debug.WriteHeapDump(file.Fd())
	file.Close()
	runtime.KeepAlive(inbox)
}
