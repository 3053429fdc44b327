// Package closures: captured by value and by reference, nested, recursive, returned, called at once.
package closures

type acc struct{ n int }

func counter() (inc func() int, get func() int) {
	n := 0
	inc = func() int { n++; return n }
	get = func() int { return n }
	return
}

func adder(n int) func(int) int { return func(m int) int { return n + m } }

func fib() func() int {
	a, b := 0, 1
	return func() int {
		a, b = b, a+b
		return a
	}
}

func immediate(n int) int {
	x := n * 2
	return func() int { return x + 1 }()
}

func nested(n int) int {
	total := 0
	outer := func(k int) {
		inner := func(m int) { total += k * m }
		inner(k + 1)
	}
	outer(n)
	return total
}

func recursive(n int) int {
	var fact func(int) int
	fact = func(k int) int {
		if k < 2 {
			return 1
		}
		return k * fact(k-1)
	}
	return fact(n)
}

func memo() func(int) int {
	cache := map[int]int{}
	var f func(int) int
	f = func(n int) int {
		if v, ok := cache[n]; ok {
			return v
		}
		v := n
		if n > 1 {
			v = f(n-1) + f(n-2)
		}
		cache[n] = v
		return v
	}
	return f
}

func pointerCapture(a *acc) func() { return func() { a.n++ } }

func bigCapture() func() int {
	var big [200]int
	big[7] = 7
	return func() int { return big[7] }
}

func bigLocalCapture() int {
	var big [200]int
	f := func() int { return big[7] }
	return f()
}

func loopVars() (fs []func() int) {
	for i := 0; i < 3; i++ {
		fs = append(fs, func() int { return i })
	}
	for _, s := range []string{"a", "bc"} {
		fs = append(fs, func() int { return len(s) })
	}
	for i := 0; i < 3; i++ {
		fs = append(fs, func() int { i++; return i })
	}
	return
}

func each(xs []int, f func(int)) {
	for _, x := range xs {
		f(x)
	}
}

func sum(xs []int) (s int) {
	each(xs, func(x int) { s += x })
	return
}

func collect(xs []int) []*int {
	var ps []*int
	each(xs, func(x int) { ps = append(ps, &x) })
	return ps
}

func resultOfClosure(p *int) *int {
	f := func(q *int) *int {
		if q == nil {
			return p
		}
		return q
	}
	return f(nil)
}

func storeInStruct(n int) struct{ f func() int } {
	return struct{ f func() int }{func() int { return n }}
}

func passToGo(n int) {
	done := make(chan bool)
	f := func() { n++; done <- true }
	go f()
	<-done
}

func parameterCaptured(n int, s string) func() string {
	n++
	return func() string { return s[n:] }
}

var hooks []func(*acc)

func register(name string) {
	hooks = append(hooks, func(a *acc) { a.n += len(name) })
}

func callHooks() int {
	var a acc
	for _, h := range hooks {
		h(&a)
	}
	return a.n
}

func curry(a int) func(int) func(int) int {
	return func(b int) func(int) int {
		return func(c int) int { return a + b + c }
	}
}
