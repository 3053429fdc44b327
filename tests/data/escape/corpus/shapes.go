// Package shapes: interfaces over values and pointers, type switches and assertions.
package shapes

import (
	"fmt"
	"math"
	"sort"
)

type Shape interface {
	Area() float64
	Perimeter() float64
}

type Circle struct{ R float64 }
type Rect struct{ W, H float64 }
type Polygon struct{ pts []Point }
type Point struct{ X, Y float64 }

func (c Circle) Area() float64      { return math.Pi * c.R * c.R }
func (c Circle) Perimeter() float64 { return 2 * math.Pi * c.R }
func (r *Rect) Area() float64       { return r.W * r.H }
func (r *Rect) Perimeter() float64  { return 2 * (r.W + r.H) }

func (p *Polygon) Area() float64 {
	sum := 0.0
	for i := range p.pts {
		a, b := &p.pts[i], &p.pts[(i+1)%len(p.pts)]
		sum += a.X*b.Y - b.X*a.Y
	}
	return math.Abs(sum) / 2
}

func (p *Polygon) Perimeter() (sum float64) {
	for i, a := range p.pts {
		b := p.pts[(i+1)%len(p.pts)]
		sum += math.Hypot(a.X-b.X, a.Y-b.Y)
	}
	return sum
}

func (p *Polygon) Add(x, y float64) *Polygon {
	p.pts = append(p.pts, Point{x, y})
	return p
}

func total(shapes ...Shape) float64 {
	t := 0.0
	for _, s := range shapes {
		t += s.Area()
	}
	return t
}

func describe(s Shape) string {
	switch v := s.(type) {
	case Circle:
		return fmt.Sprintf("circle of %g", v.R)
	case *Rect:
		return fmt.Sprint("rect ", v.W, " by ", v.H)
	case *Polygon:
		return "polygon of " + fmt.Sprint(len(v.pts))
	case nil:
		return "nothing"
	default:
		return fmt.Sprintf("%T", v)
	}
}

func largest(shapes []Shape) Shape {
	sort.Slice(shapes, func(i, j int) bool { return shapes[i].Area() > shapes[j].Area() })
	if len(shapes) == 0 {
		return nil
	}
	return shapes[0]
}

func asCircle(s Shape) (r float64, ok bool) {
	c, ok := s.(Circle)
	if ok {
		r = c.R
	}
	return
}

func demo() float64 {
	c := Circle{1}
	r := &Rect{2, 3}
	p := (&Polygon{}).Add(0, 0).Add(1, 0).Add(1, 1)
	return total(c, r, p)
}
