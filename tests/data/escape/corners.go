// Package corners: what the compiler rewrites before it looks for escapes, and how it prints.
package corners

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

type small struct{ a, b int }
type big struct{ a [200]int }
type stringer interface{ String() string }
type named []byte
type letter byte
type pair struct {
	*small
	next *pair
	f    func(*int) *int
}

func (s small) String() string   { return "small" }
func (s *small) set(p *int) *int { s.a = *p; return p }

const table = "0123456789abcdef"

var (
	any1     any
	strings_ []string
	fixed    [16]int
	matrix            = [][]int{{1, 2}, {3}}
	lookup            = map[string]func(int) *small{"one": func(n int) *small { return &small{n, n} }}
	static            = &pair{small: &small{1, 2}}
	dynamic           = &pair{small: newSmall()}
	errFixed          = errors.New("fixed")
	iface    stringer = small{1, 2}
)

func newSmall() *small { return &small{} }

func callsOfCalls(x any) string {
	get := func() stringer { return iface }
	return "a" + get().String() + fmt.Sprint(x)
}

func deadLocals() int {
	unused := func() *int { n := 1; return &n }
	kept := func() int { return 2 }
	_ = unused
	var never = func() int { return 3 }
	never = nil
	_ = never
	return kept()
}

func misread(table []func(int) *int, in struct{ op int }, v int) *int {
	p := table[in.op](v)
	q := *(*[]int)(unsafe.Pointer(&table))
	_ = q
	return p
}

func conversions(b named, l []letter, s string, r rune, f float64) {
	any1 = string(b)
	any1 = string(l)
	any1 = named(s)
	any1 = []rune("abc")
	any1 = string(r)
	any1 = float32(f)
	any1 = (func())(nil)
	any1 = [2]int(matrix[0])
	any1 = (*[1]int)(matrix[1])
	any1 = uint8(3) << 2
	any1 = 'x'
	any1 = 1.5e3
	any1 = 2i
	any1 = letter('a')
	any1 = len(table) + 1
	any1 = table[1:3]
	any1 = -f
	any1 = ^3
	any1 = "a long string that is cut where a constant is printed in more than seventy-two characters"
}

func bounds(c uint8, i int) int {
	x := fixed[c>>4] + fixed[c&15] + fixed[c%16] + fixed[i]
	strings_ = append(strings_, string(table[c>>4]))
	return x + int(table[c&15])
}

func multiple() (*small, error) { return &small{}, errFixed }

func given(p any, err error) any { return p }

func takes() (any, error) {
	given(multiple())
	var x any
	var err error
	x, err = multiple()
	_, _ = x, err
	return multiple()
}

func loops(n int) (fs []func() int, ps []*int) {
	for i, j := 0, n; i < j; i, j = i+1, j-1 {
		if i == 3 {
			continue
		}
		fs = append(fs, func() int { return i + j })
	}
	for k, v := range matrix {
		ps = append(ps, &k)
		fs = append(fs, func() int { return len(v) })
	}
	for i := range n {
		defer func() { fmt.Println(i) }()
		go fmt.Println("x", i)
	}
outer:
	for {
		for range 3 {
			break outer
		}
	}
	return
}

func ranges(seq func(func(int, *small) bool)) (out *small) {
	for i, s := range seq {
		if i > 3 {
			return s
		}
		for j := range strings.SplitSeq("a,b", ",") {
			if j == "b" {
				break
			}
			out = s
		}
		defer fmt.Println(i)
	}
	return
}

func switches(x any, ch chan *small) any {
	switch v := x.(type) {
	case *small:
		return v
	case small, *big:
		return v
	case interface{ set(*int) *int }:
		return v.set
	case nil:
		return nil
	}
	select {
	case s, ok := <-ch:
		if ok {
			return s
		}
	case any1 = <-ch:
	case ch <- &small{3, 4}:
	}
	switch {
	case true:
		return small.String
	default:
		return (*small).set
	}
}

func constantConditions(p *int) *int {
	const debug = false
	if debug {
		any1 = p
	}
	if !debug || p == nil {
		return p
	} else {
		any1 = new(int)
	}
	return nil
}

func recursion(p *pair, n int) *pair {
	if n == 0 {
		return p
	}
	return other(p.next, n-1)
}

func other(p *pair, n int) *pair { q := recursion(p, n); return q }

func embedded(p *pair) (func(*int) *int, *int) { return p.set, p.small.set(&p.a) }

type stack[E any] struct {
	items []E
	last  *E
}

func (s *stack[E]) push(e E) *E { s.items = append(s.items, e); s.last = &e; return s.last }
func (s stack[E]) each(f func(E)) {
	for _, e := range s.items {
		f(e)
	}
}

func mapped[S ~[]E, E, R any](s S, f func(E) R) []R {
	out := make([]R, 0, len(s))
	for _, e := range s {
		out = append(out, f(e))
	}
	return out
}

func total[N ~int | ~float64](ns ...N) (sum N) {
	for _, n := range ns {
		sum += n
	}
	any1 = sum
	return
}

func generics() {
	var s stack[small]
	s.push(small{1, 2})
	s.each(func(s small) { any1 = s })
	t := &stack[*big]{}
	t.push(&big{})
	_ = mapped([]int{1}, func(n int) string { return fmt.Sprint(n) })
	_ = mapped(named("x"), func(b byte) *byte { return &b })
	total(1, 2)
	total[float64]()
	f := total[int]
	f(3)
}

func headers(p *[4]int, n int) ([]int, []int) {
	local := [4]int{n}
	x := make([]int, 2, n)
	size := 5
	y := make([]small, size)
	_, _ = x, y
	copy(x, local[:])
	clear(y)
	return p[1:n:3], append(x[:1], max(n, local[1]))
}

func self(p *pair, q []*small) {
	p.next, p.next.next = p.next.next, p.next
	q[0], q[1] = q[1], q[0]
	p.next = p.next
	*p = *p.next
}

func captured(n int) (func() int, func() int, func() *int) {
	middle := [16]int{n}
	large := [17]int{n}
	changed := n
	changed++
	after := n
	f := func() *int { return &after }
	return func() int { return middle[0] + changed }, func() int { return large[0] }, f
}

func onlyInDeadCode(n int) int {
	helper := func() *int { m := n; return &m }
	const trace = false
	if trace {
		return *helper()
	}
	return n
}

func bare(p *int) (_ *int, err error) {
	if p == nil {
		return
	}
	any1 = p
	return
}
