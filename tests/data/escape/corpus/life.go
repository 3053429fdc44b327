// Command life: the game of life on value types, arrays, and pointers to them.
package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"time"
)

type Field struct {
	s    [][]bool
	w, h int
}

type Life struct {
	a, b *Field
	w, h int
	rng  *rand.Rand
}

type Rule func(alive bool, neighbours int) bool

func NewField(w, h int) *Field {
	s := make([][]bool, h)
	for i := range s {
		s[i] = make([]bool, w)
	}
	return &Field{s: s, w: w, h: h}
}

func (f *Field) Set(x, y int, b bool) { f.s[y][x] = b }

func (f *Field) Alive(x, y int) bool {
	x = (x + f.w) % f.w
	y = (y + f.h) % f.h
	return f.s[y][x]
}

func (f *Field) Next(x, y int, r Rule) bool {
	alive := 0
	for i := -1; i <= 1; i++ {
		for j := -1; j <= 1; j++ {
			if (j != 0 || i != 0) && f.Alive(x+i, y+j) {
				alive++
			}
		}
	}
	return r(f.Alive(x, y), alive)
}

func NewLife(w, h int, seed int64) *Life {
	a := NewField(w, h)
	rng := rand.New(rand.NewSource(seed))
	for i := 0; i < (w * h / 4); i++ {
		a.Set(rng.Intn(w), rng.Intn(h), true)
	}
	return &Life{a, NewField(w, h), w, h, rng}
}

func conway(alive bool, n int) bool { return n == 3 || n == 2 && alive }

func (l *Life) Step() {
	for y := 0; y < l.h; y++ {
		for x := 0; x < l.w; x++ {
			l.b.Set(x, y, l.a.Next(x, y, conway))
		}
	}
	l.a, l.b = l.b, l.a
}

func (l *Life) String() string {
	var buf bytes.Buffer
	for y := 0; y < l.h; y++ {
		for x := 0; x < l.w; x++ {
			b := byte(' ')
			if l.a.Alive(x, y) {
				b = '*'
			}
			buf.WriteByte(b)
		}
		buf.WriteByte('\n')
	}
	return buf.String()
}

type snapshot struct {
	cells [8][8]bool
	at    time.Time
}

func (l *Life) snapshot() (s snapshot) {
	for y := range s.cells {
		row := &s.cells[y]
		for x := range row {
			row[x] = l.a.Alive(x, y)
		}
	}
	s.at = time.Now()
	return s
}

func same(a, b *snapshot) bool { return a.cells == b.cells }

func main() {
	l := NewLife(40, 15, 1)
	var seen []snapshot
	for i := 0; i < 30; i++ {
		l.Step()
		s := l.snapshot()
		for j := range seen {
			if same(&seen[j], &s) {
				fmt.Println("repeats", j, "at", i)
			}
		}
		seen = append(seen, s)
	}
	fmt.Print("\x0c", l)
}
