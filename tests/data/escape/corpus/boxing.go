// Package boxing: values in interfaces, of every kind, kept and not kept.
package boxing

import (
	"fmt"
	"io"
)

type small struct{ a, b byte }
type one struct{ p *int }
type big struct{ a [10]int }
type meters float64
type empty struct{}

func (m meters) String() string { return fmt.Sprintf("%.1f m", float64(m)) }
func (b *big) String() string   { return "big" }
func (s small) String() string  { return string([]byte{s.a, s.b}) }

var sink any
var list []any

func keepAll(n int, s string, f float64, p *int, b big, o one, c complex128, r rune) {
	sink = n
	sink = s
	sink = f
	sink = p
	sink = b
	sink = &b
	sink = o
	sink = c
	sink = r
	sink = empty{}
	sink = [0]int{}
	sink = []int{n}
	sink = map[string]int{s: n}
	sink = func() int { return n }
	sink = make(chan int)
	sink = nil
}

func constants() {
	sink = 7
	sink = "text"
	sink = 3.5
	sink = true
	sink = 'x'
	list = append(list, 1, "two", 3.0, byte(4))
}

func local(n int) bool {
	var x any = n
	var y any = small{1, 2}
	_, ok := x.(int)
	return ok && y == small{1, 2}
}

func stringer(m meters) fmt.Stringer { return m }

func stringers(m meters, b big, s small) []fmt.Stringer {
	return []fmt.Stringer{m, &b, s}
}

func dispatch(s fmt.Stringer) string { return s.String() }

func dispatchLocal(m meters) string {
	b := big{}
	return dispatch(m) + dispatch(&b)
}

func devirtualised(m meters) string {
	var s fmt.Stringer = m
	return s.String()
}

func compare(x, y any) bool { return x == y }

func compareValues(n int, s small) bool { return compare(n, s) || compare(s, s) }

func typeSwitch(v any) (out any) {
	switch x := v.(type) {
	case int:
		out = x + 1
	case *int:
		out = *x
	case big:
		out = x.a[0]
	case []int, map[string]int:
		out = x
	case error:
		out = x.Error()
	case fmt.Stringer:
		out = x
	case func() int:
		out = x()
	}
	return
}

func assert(r io.Reader) (io.Writer, *big) {
	w, _ := r.(io.Writer)
	b, _ := r.(interface{ get() *big })
	if b != nil {
		return w, b.get()
	}
	return w, nil
}

func convert(w io.ReadWriter) io.Reader { return w }

func variadic(vs ...any) int {
	n := 0
	for _, v := range vs {
		if i, ok := v.(int); ok {
			n += i
		}
	}
	return n
}

func callVariadic(n int, xs []any) int {
	return variadic(n, n+1, "x") + variadic(xs...) + variadic()
}

func printing(n int, b *big) {
	fmt.Println(n, b.a[1], len(b.a))
	fmt.Print("constant")
	fmt.Printf("%v %d\n", b, n)
}

func index(m map[any]string, n int) string { return m[n] + m["k"] }

func inStruct(n int) struct {
	name  string
	value any
} {
	return struct {
		name  string
		value any
	}{"n", n}
}

func channel(ch chan any, n int) { ch <- n }
