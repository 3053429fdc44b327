// What Go does to slices, runes, a strings.Builder and a bytes.Buffer in a random program: lines that tests/test_builders.py does again.
//
//	text SEED
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
)

type (
	scan56 struct {
		p *int
		a [6]int
	}
	scan72 struct {
		a [8]int
		p *int
	}
	scan200 struct {
		p *int
		a [24]int
	}
)

var (
	sink any // what is stored here escapes
	out  = bufio.NewWriter(os.Stdout)
)

func growth[E any](name string, r *rand.Rand) {
	for range 60 {
		c := r.Intn(1 + r.Intn(3000))
		l, k := c, r.Intn(1+r.Intn(2000))
		if r.Intn(2) == 0 {
			l = r.Intn(c + 1)
		}
		v := make([]E, k)
		at := r.Intn(l + 1)
		s, t, u := append(make([]E, l, c), v...), slices.Insert(make([]E, l, c), at, v...), slices.Grow(make([]E, l, c), k)
		sink, sink, sink = s, t, u
		fmt.Fprintln(out, "slice", name, l, c, k, at, cap(s), cap(t), cap(u))
	}
}

func runes(r *rand.Rand) {
	pieces := []byte{0xe4, 0xb8, 0xad, 0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0xc3, 0xa9, 0xf4, 0x8f, 0xbf, 0xc0, 0xe0}
	for range 1000 {
		b := make([]byte, r.Intn(50))
		for i := range b {
			if b[i] = byte(r.Intn(256)); r.Intn(3) > 0 {
				b[i] = pieces[r.Intn(len(pieces))]
			}
		}
		found := []rune(string(b))
		sink = found
		fmt.Fprintf(out, "runes x%x %d %v x%x\n", b, cap(found), found, string(found))
	}
}

type source struct{ left int }

func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), s.left)
	s.left -= n
	return n, nil
}

func text(r *rand.Rand) {
	builder, buffer := new(strings.Builder), new(bytes.Buffer)
	sink, sink = builder, buffer
	fmt.Fprintln(out, "new")
	for range 60 {
		n, op := r.Intn(1+r.Intn(1500)), ""
		switch r.Intn(12) {
		case 0:
			op = "grow"
			builder.Grow(n)
			buffer.Grow(n)
		case 1:
			op = "rune"
			builder.WriteRune('中')
			buffer.WriteRune('中')
		case 2:
			op = "byte"
			builder.WriteByte('x')
			buffer.WriteByte('x')
		case 3:
			op = "next"
			buffer.Next(n)
		case 4:
			op = "read"
			buffer.Read(make([]byte, n))
		case 5:
			op = "readfrom"
			buffer.ReadFrom(&source{n})
		case 6:
			op, n = "truncate", min(n, buffer.Len())
			buffer.Truncate(n)
		default:
			op = "write"
			builder.WriteString(strings.Repeat("y", n))
			buffer.WriteString(strings.Repeat("y", n))
		}
		fmt.Fprintln(out, op, n, builder.Len(), builder.Cap(), buffer.Len(), buffer.Cap(), buffer.Available())
	}
}

func main() {
	seed, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	r := rand.New(rand.NewSource(seed))
	growth[[3]byte]("3", r)
	growth[[7]byte]("7", r)
	growth[[3]int32]("12", r)
	growth[byte]("1", r)
	growth[scan56]("56", r)
	growth[scan72]("72", r)
	growth[scan200]("200", r)
	runes(r)
	for range 30 {
		text(r)
	}
	out.Flush()
}
