// Package stack: a generic stack and queue, used with values and with pointers.
package stack

type Stack[T any] struct {
	items []T
}

func (s *Stack[T]) Push(v T) { s.items = append(s.items, v) }

func (s *Stack[T]) Pop() (T, bool) {
	var zero T
	if len(s.items) == 0 {
		return zero, false
	}
	last := s.items[len(s.items)-1]
	s.items[len(s.items)-1] = zero
	s.items = s.items[:len(s.items)-1]
	return last, true
}

func (s *Stack[T]) Len() int { return len(s.items) }

type Queue[T any] struct {
	head, tail *link[T]
	n          int
}

type link[T any] struct {
	next  *link[T]
	value T
}

func (q *Queue[T]) Put(v T) {
	l := &link[T]{value: v}
	if q.tail == nil {
		q.head = l
	} else {
		q.tail.next = l
	}
	q.tail = l
	q.n++
}

func (q *Queue[T]) Get() (v T, ok bool) {
	if q.head == nil {
		return v, false
	}
	l := q.head
	q.head = l.next
	if q.head == nil {
		q.tail = nil
	}
	q.n--
	return l.value, true
}

type item struct{ name string }

func local(n int) int {
	var s Stack[int]
	for i := 0; i < n; i++ {
		s.Push(i * i)
	}
	sum := 0
	for s.Len() > 0 {
		v, _ := s.Pop()
		sum += v
	}
	return sum
}

func pointers(names []string) *item {
	s := &Stack[*item]{}
	for _, n := range names {
		s.Push(&item{name: n})
	}
	top, ok := s.Pop()
	if !ok {
		return nil
	}
	return top
}

func fill(names ...string) *Queue[item] {
	q := new(Queue[item])
	for _, n := range names {
		q.Put(item{n})
	}
	return q
}

func drain(q *Queue[item], f func(item)) {
	for {
		v, ok := q.Get()
		if !ok {
			return
		}
		f(v)
	}
}
