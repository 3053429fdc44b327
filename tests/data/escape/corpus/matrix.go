// Package matrix: slices of slices, arrays, big values and constant sizes.
package matrix

const tile = 16

type Matrix struct {
	rows, cols int
	data       []float64
}

type Small [4][4]float64

type Big struct {
	cells [20000]float64
}

func New(rows, cols int) *Matrix {
	return &Matrix{rows, cols, make([]float64, rows*cols)}
}

func (m *Matrix) row(i int) []float64 { return m.data[i*m.cols : (i+1)*m.cols : (i+1)*m.cols] }

func (m *Matrix) at(i, j int) *float64 { return &m.data[i*m.cols+j] }

func (m Matrix) transpose() Matrix {
	t := New(m.cols, m.rows)
	for i := 0; i < m.rows; i++ {
		for j, v := range m.row(i) {
			*t.at(j, i) = v
		}
	}
	return *t
}

func (m *Matrix) mul(o *Matrix) (*Matrix, bool) {
	if m.cols != o.rows {
		return nil, false
	}
	out := New(m.rows, o.cols)
	var acc [tile]float64
	for i := range m.rows {
		clear(acc[:])
		for j := range o.cols {
			s := 0.0
			for k := range m.cols {
				s += m.data[i*m.cols+k] * o.data[k*o.cols+j]
			}
			*out.at(i, j) = s
			acc[j%tile] += s
		}
	}
	return out, true
}

func identity() (s Small) {
	for i := range s {
		s[i][i] = 1
	}
	return
}

func (s *Small) scale(f float64) *Small {
	for i := range s {
		for j := range s[i] {
			s[i][j] *= f
		}
	}
	return s
}

func grid(n int) [][]int {
	g := make([][]int, n)
	cells := make([]int, n*n)
	for i := range g {
		g[i], cells = cells[:n], cells[n:]
	}
	return g
}

func constGrid() int {
	const n = 8
	g := make([][]int, n)
	for i := range g {
		g[i] = make([]int, n)
	}
	return g[3][4]
}

func bigLocal() float64 {
	var b Big
	b.cells[1] = 2
	return b.cells[1]
}

func bigPointer() float64 {
	b := &Big{}
	b.cells[1] = 2
	return b.cells[1]
}

func bigSlices(n int) int {
	a := make([]int64, 8192)
	b := make([]int64, 8193)
	c := make([]byte, 1<<16, 1<<17)
	size := 1000
	d := make([]int32, size)
	e := make([]int32, n, 1000)
	return len(a) + len(b) + len(c) + len(d) + len(e)
}

func passArray(a [3]int) int { return a[0] }

func arrays() (sum int) {
	a := [...]int{1, 2, 3}
	p := &a
	for i, v := range p {
		sum += i * v
	}
	s := a[:]
	s[0] = passArray(*p)
	return sum + s[0]
}
