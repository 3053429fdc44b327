// Package generic: constraints, generic functions over values and pointers, generic structs with methods.
package generic

import "cmp"

type Number interface {
	~int | ~int64 | ~float64
}

type Pair[A, B any] struct {
	First  A
	Second B
}

type Option[T any] struct {
	v  *T
	ok bool
}

func Some[T any](v T) Option[T] { return Option[T]{&v, true} }
func None[T any]() Option[T]    { return Option[T]{} }

func (o Option[T]) Or(d T) T {
	if o.ok {
		return *o.v
	}
	return d
}

func Map[T, U any](xs []T, f func(T) U) []U {
	out := make([]U, 0, len(xs))
	for _, x := range xs {
		out = append(out, f(x))
	}
	return out
}

func Reduce[T, A any](xs []T, a A, f func(A, T) A) A {
	for _, x := range xs {
		a = f(a, x)
	}
	return a
}

func Sum[N Number](xs ...N) (s N) {
	for _, x := range xs {
		s += x
	}
	return
}

func Ptr[T any](v T) *T { return &v }

func Zip[A, B any](as []A, bs []B) []Pair[A, B] {
	n := min(len(as), len(bs))
	ps := make([]Pair[A, B], n)
	for i := range ps {
		ps[i] = Pair[A, B]{as[i], bs[i]}
	}
	return ps
}

func MaxBy[T any, K cmp.Ordered](xs []T, key func(*T) K) *T {
	var best *T
	for i := range xs {
		if best == nil || key(&xs[i]) > key(best) {
			best = &xs[i]
		}
	}
	return best
}

type Set[K comparable] map[K]struct{}

func (s Set[K]) Add(k K)      { s[k] = struct{}{} }
func (s Set[K]) Has(k K) bool { _, ok := s[k]; return ok }
func SetOf[K comparable](ks ...K) Set[K] {
	s := make(Set[K], len(ks))
	for _, k := range ks {
		s.Add(k)
	}
	return s
}

type user struct {
	name string
	age  int
}

func demo(us []user) (int, *user, []string) {
	names := Map(us, func(u user) string { return u.name })
	ages := Map(us, func(u user) int { return u.age })
	total := Reduce(ages, 0, func(a, n int) int { return a + n })
	old := MaxBy(us, func(u *user) int { return u.age })
	return total + Sum(1, 2), old, names
}

func options(n int) int {
	o := Some(n)
	p := None[*user]()
	if p.Or(nil) == nil {
		return o.Or(3)
	}
	return *Ptr(n)
}

func sets(words []string) bool {
	s := SetOf(words...)
	t := SetOf(1, 2, 3)
	return s.Has("x") && t.Has(4)
}

func pairs(a []string, b []*user) []Pair[string, *user] { return Zip(a, b) }
