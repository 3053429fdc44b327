// Package flows: parameters to results through fields, slices, closures, loops and gotos.
package flows

type box struct {
	p    *int
	q    []*int
	next *box
}

var keep *box

func identity(p *int) *int { return p }

func second(a, b *int) (x, y *int) { return b, a }

func field(b box) *int { return b.p }

func fieldOf(b *box) *int { return b.p }

func element(b *box, i int) *int { return b.q[i] }

func deep(b *box) *int { return b.next.next.p }

func store(b *box, p *int) { b.p = p }

func storeDeep(b *box, p *int) { b.next.q[0] = p }

func wrap(p *int) box { return box{p: p} }

func wrapPointer(p *int) *box { return &box{p: p, q: []*int{p}} }

func maybe(a, b *int, c bool) *int {
	r := a
	if c {
		r = b
	}
	return r
}

func loop(b *box) (last *int) {
	for ; b != nil; b = b.next {
		last = b.p
	}
	return
}

func again(n int) *int {
	var p *int
	i := 0
top:
	x := i
	p = &x
	i++
	if i < n {
		goto top
	}
	return p
}

func forward(n int) int {
	var p *int
	if n > 3 {
		goto done
	}
	n++
done:
	x := n
	p = &x
	return *p
}

func labelled(rows [][]*int) (found *int) {
outer:
	for _, row := range rows {
		for _, p := range row {
			if p == nil {
				continue outer
			}
			if *p > 10 {
				found = p
				break outer
			}
		}
	}
	return found
}

func pointerToPointer(n int) int {
	x := n
	p := &x
	pp := &p
	ppp := &pp
	***ppp = 4
	return **pp
}

func leakSecond(n int) {
	x, y := n, n+1
	keep = &box{p: &x}
	_ = &y
}

func sliceOfArray() []int {
	var a [8]int
	for i := range a {
		a[i] = i
	}
	return a[2:4]
}

func sliceLocal() int {
	var a [8]int
	s := a[:]
	return s[3] + cap(s[2:])
}

func through(f func(*int) *int) int {
	x := 3
	return *f(&x)
}

func throughKnown() int {
	f := identity
	x := 3
	return *f(&x)
}

func throughVariable(b bool) int {
	f := identity
	if b {
		f = func(p *int) *int { *p = 2; return p }
	}
	x := 3
	return *f(&x)
}

func swapAll(a, b *box) {
	a.p, b.p = b.p, a.p
	a.q, b.q = b.q, a.q
	*a, *b = *b, *a
}

func chain(p *int) *int {
	return identity(maybe(p, identity(p), p == nil))
}

func ignored(p *int, _ *box, _ []int) int { return *p }

func (b *box) setNext(n *box) *box { b.next = n; return b }

func builder() int {
	a, b := box{}, box{}
	a.setNext(&b).next.p = new(int)
	return *b.p
}
