// Package ring: a fixed ring of values, of pointers into an array, and a doubly linked list.
package ring

type Ring struct {
	buf        [64]sample
	head, size int
	last       *sample
}

type sample struct {
	at    int64
	value float64
	prev  *sample
}

func (r *Ring) Put(at int64, v float64) *sample {
	s := &r.buf[(r.head+r.size)%len(r.buf)]
	*s = sample{at, v, r.last}
	if r.size < len(r.buf) {
		r.size++
	} else {
		r.head = (r.head + 1) % len(r.buf)
	}
	r.last = s
	return s
}

func (r *Ring) slice() []sample { return r.buf[r.head:] }

func (r Ring) average() float64 {
	sum := 0.0
	for _, s := range r.slice() {
		sum += s.value
	}
	return sum / float64(max(1, r.size))
}

func onStack(n int) float64 {
	var r Ring
	for i := range n {
		r.Put(int64(i), float64(i*i))
	}
	return r.average()
}

func window(vs []float64, n int) (out [][]float64) {
	for i := 0; i+n <= len(vs); i++ {
		out = append(out, vs[i:i+n:i+n])
	}
	return
}

type dnode struct {
	prev, next *dnode
	v          int
}

func ringOf(vs ...int) *dnode {
	root := &dnode{}
	root.prev, root.next = root, root
	for _, v := range vs {
		n := &dnode{v: v}
		n.prev, n.next = root.prev, root
		root.prev.next, root.prev = n, n
	}
	return root
}

func (n *dnode) unlink() *dnode {
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
	return n
}

func cyclic() int {
	var a, b dnode
	a.next, b.next = &b, &a
	a.v, b.v = 1, 2
	return a.next.next.v
}

func selfAssign(s *sample, ss []sample) {
	ss = ss[1:]
	s.prev = s.prev.prev
	ss[0].prev = ss[1].prev
}

var shared Ring

func global() *Ring { return &shared }

func pick(a, b *sample, first bool) *sample {
	p := &b
	if first {
		p = &a
	}
	return *p
}

func swap(a, b *sample) { *a, *b = *b, *a }
