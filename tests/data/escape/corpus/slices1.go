// Package slices1: appends, copies, three-index slices, literals, makes of known and unknown size.
package slices1

type point struct{ x, y int }
type path struct {
	pts  []point
	refs []*point
}

func appendLocal(n int) int {
	var s []int
	for i := range n {
		s = append(s, i)
	}
	return len(s)
}

func appendTo(s []int, x int) []int { return append(s, x) }

func appendAll(dst, src []*point) []*point { return append(dst, src...) }

func (p *path) add(x, y int) *point {
	p.pts = append(p.pts, point{x, y})
	q := &p.pts[len(p.pts)-1]
	p.refs = append(p.refs, q)
	return q
}

func literals() ([]int, int) {
	a := []int{1, 2, 3}
	b := []point{{1, 2}, {3, 4}}
	c := []*point{{5, 6}, {7, 8}}
	d := [][]int{{1}, {2, 3}}
	return a, b[0].x + c[1].y + len(d)
}

func returnedPointers(n int) []*point {
	ps := make([]*point, 0, n)
	for i := range n {
		ps = append(ps, &point{i, i})
	}
	return ps
}

func localPointers(n int) (sum int) {
	ps := make([]*point, 0, 10)
	for i := range n {
		ps = append(ps, &point{i, i})
	}
	for _, p := range ps {
		sum += p.x
	}
	return
}

func copies(src []point) []point {
	dst := make([]point, len(src))
	copy(dst, src)
	return dst
}

func copyPointers(dst, src []*point) int { return copy(dst, src) }

func clone(s []byte) []byte { return append([]byte{}, s...) }

func insert(s []int, i, x int) []int {
	s = append(s, 0)
	copy(s[i+1:], s[i:])
	s[i] = x
	return s
}

func remove(s []*point, i int) []*point {
	copy(s[i:], s[i+1:])
	s[len(s)-1] = nil
	return s[:len(s)-1]
}

func halves(s []int) (a, b []int) {
	m := len(s) / 2
	return s[:m:m], s[m:]
}

func sizes(n int) int {
	const big = 1 << 14
	a := make([]int, 100)
	b := make([]int, big)
	c := make([]byte, n)
	d := make([]byte, 0, 64)
	e := make([]*point, 32)
	m := 256
	f := make([]uint16, m)
	g := make([]struct{}, n)
	return len(a) + len(b) + len(c) + cap(d) + len(e) + len(f) + len(g)
}

func twoD(rows, cols int) [][]float64 {
	out := make([][]float64, rows)
	for i := range out {
		out[i] = make([]float64, cols)
	}
	return out
}

func toArray(s []int) ([4]int, *[4]int) {
	return [4]int(s), (*[4]int)(s)
}

func arrayOfPointers() int {
	var a [4]*point
	for i := range a {
		a[i] = &point{i, 0}
	}
	return a[3].x
}

func rangeAddresses(ps []point) (out []*point) {
	for i := range ps {
		out = append(out, &ps[i])
	}
	for _, p := range ps {
		out = append(out, &p)
	}
	return
}

func maxOf(first int, rest ...int) int {
	m := first
	for _, r := range rest {
		m = max(m, r)
	}
	return m
}

func callers(xs []int) int {
	return maxOf(1) + maxOf(1, 2, 3) + maxOf(xs[0], xs[1:]...)
}

func stringsOf(b [][]byte) []string {
	out := make([]string, len(b))
	for i := range b {
		out[i] = string(b[i])
	}
	return out
}

func filter(ps []*point, keep func(*point) bool) []*point {
	out := ps[:0]
	for _, p := range ps {
		if keep(p) {
			out = append(out, p)
		}
	}
	clear(ps[len(out):])
	return out
}
