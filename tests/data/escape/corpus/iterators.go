// Package iterators: range over functions and integers, iter.Seq, slices and maps.
package iterators

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

type List[T any] struct {
	head *node[T]
}

type node[T any] struct {
	v    T
	next *node[T]
}

func (l *List[T]) Push(v T) { l.head = &node[T]{v, l.head} }

func (l *List[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for n := l.head; n != nil; n = n.next {
			if !yield(n.v) {
				return
			}
		}
	}
}

func filter[T any](seq iter.Seq[T], keep func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range seq {
			if keep(v) && !yield(v) {
				return
			}
		}
	}
}

func numbers(n int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for i := range n {
			if !yield(i, i*i) {
				return
			}
		}
	}
}

func squares(n int) (sum int) {
	for _, v := range numbers(n) {
		sum += v
	}
	return
}

func evens(xs []int) []int {
	var l List[int]
	for _, x := range xs {
		l.Push(x)
	}
	var out []int
	for v := range filter(l.All(), func(x int) bool { return x%2 == 0 }) {
		out = append(out, v)
	}
	return out
}

func firstLong(words []string, n int) *string {
	for i, w := range slices.All(words) {
		if len(w) > n {
			return &words[i]
		}
	}
	return nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

func keys(m map[string]int) []string { return sortedKeys(m) }

type person struct {
	name string
	age  int
}

func oldest(ps []*person) *person {
	return slices.MaxFunc(ps, func(a, b *person) int { return cmp.Compare(a.age, b.age) })
}

func byName(ps []person) {
	slices.SortFunc(ps, func(a, b person) int { return cmp.Compare(a.name, b.name) })
}

func index(ps []person) map[string]*person {
	m := make(map[string]*person)
	for i := range ps {
		m[ps[i].name] = &ps[i]
	}
	return m
}
