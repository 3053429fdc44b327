// Package numbers: arithmetic on pointers to numbers, big constants, complex values, named types, shadowing.
package numbers

import (
	"math"
	"math/big"
	"strconv"
)

type Celsius float64
type Weekday int
type Vec [3]float64
type Poly []float64

const (
	Monday Weekday = iota + 1
	Tuesday
	limit = 1 << 12
)

var names = [...]string{Monday: "mon", Tuesday: "tue"}

func (d Weekday) String() string {
	if int(d) < len(names) && names[d] != "" {
		return names[d]
	}
	return "day " + strconv.Itoa(int(d))
}

func (v *Vec) add(w *Vec) *Vec {
	for i := range v {
		v[i] += w[i]
	}
	return v
}

func (v Vec) dot(w Vec) (s float64) {
	for i, x := range v {
		s += x * w[i]
	}
	return
}

func (v Vec) normal() *Vec {
	n := math.Sqrt(v.dot(v))
	for i := range v {
		v[i] /= n
	}
	return &v
}

func (p Poly) at(x float64) (y float64) {
	for i := len(p) - 1; i >= 0; i-- {
		y = y*x + p[i]
	}
	return
}

func (p Poly) derive() Poly {
	d := make(Poly, 0, len(p))
	for i, c := range p[min(1, len(p)):] {
		d = append(d, c*float64(i+1))
	}
	return d
}

func newton(f, df func(float64) float64, x float64) float64 {
	for range 20 {
		x -= f(x) / df(x)
	}
	return x
}

func root(p Poly) float64 {
	d := p.derive()
	return newton(p.at, d.at, 1)
}

func factorial(n int64) *big.Int {
	r := big.NewInt(1)
	for i := int64(2); i <= n; i++ {
		r.Mul(r, big.NewInt(i))
	}
	return r
}

func sieve(n int) (primes []int) {
	composite := make([]bool, n+1)
	for i := 2; i <= n; i++ {
		if composite[i] {
			continue
		}
		primes = append(primes, i)
		for j := i * i; j <= n; j += i {
			composite[j] = true
		}
	}
	return
}

func sieveConst() int {
	var composite [limit]bool
	count := 0
	for i := 2; i < limit; i++ {
		if !composite[i] {
			count++
			for j := i * i; j < limit; j += i {
				composite[j] = true
			}
		}
	}
	return count
}

func minmax(xs ...float64) (lo, hi *float64) {
	for i := range xs {
		if lo == nil || xs[i] < *lo {
			lo = &xs[i]
		}
		if hi == nil || xs[i] > *hi {
			hi = &xs[i]
		}
	}
	return
}

func spread() float64 {
	lo, hi := minmax(3, 1, 2)
	return *hi - *lo
}

func shadow(p *int) *int {
	if p := *p; p > 3 {
		q := p
		return &q
	}
	return p
}

func mandel(c complex128) int {
	z := complex(0, 0)
	for i := range 50 {
		if z = z*z + c; real(z)*real(z)+imag(z)*imag(z) > 4 {
			return i
		}
	}
	return 50
}

func temperatures(cs []Celsius) (max *Celsius, out []string) {
	for i, c := range cs {
		if max == nil || c > *max {
			max = &cs[i]
		}
		out = append(out, strconv.FormatFloat(float64(c), 'f', 1, 64)+"C")
	}
	return
}

func vectors() float64 {
	a, b := Vec{1, 2, 3}, &Vec{4, 5, 6}
	return a.add(b).dot(*b.normal())
}
