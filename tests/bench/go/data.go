// Slices that grow by append, and strings.Builder: ns for an element, or a byte. The same as tests/bench/data.c.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

type node struct{ n int }

// Each slice is kept in two variables. Of one that is kept in one the compiler builds the first 32 bytes on the stack
// (cmd/compile/internal/slice), so that less is allocated than what is compared here.
var (
	ints, kept     []int
	ptrs, keptPtrs []*node
	text           *strings.Builder
	total          uint64
)

func appendInts(n int) {
	var s []int
	for i := range n {
		s = append(s, i)
	}
	ints, kept = s, s
	total += uint64(s[n/2])
}

func appendPointers(n int) {
	var s []*node
	p := theNode
	for range n {
		s = append(s, p)
	}
	ptrs, keptPtrs = s, s
	total += uint64(len(s))
	if s[n/2] == p {
		total++
	}
}

var theNode = &node{1}

func buildBytes(n int) {
	b := text
	b.Reset()
	for i := range n {
		b.WriteByte(byte(i))
	}
	s := b.String()
	total += uint64(len(s)) + uint64(s[n/2])
}

func buildStrings(n int) {
	b := text
	b.Reset()
	for i := 0; i < n; i += 10 {
		b.WriteString("0123456789")
	}
	s := b.String()
	total += uint64(len(s)) + uint64(s[n/2])
}

func measure(name string, work func(int), n, all int) {
	work(n)
	start := time.Now()
	for i := 0; i < all; i += n {
		work(n)
	}
	fmt.Printf("\"%s_%d\": %.4f, ", name, n, float64(time.Since(start).Nanoseconds())/float64(all))
}

func main() {
	rounds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	text = new(strings.Builder)
	fmt.Print("{")
	for _, w := range []struct {
		name string
		work func(int)
	}{{"int", appendInts}, {"ptr", appendPointers}, {"byte", buildBytes}, {"string", buildStrings}} {
		for _, n := range []int{10, 1000, 1000000} {
			measure(w.name, w.work, n, rounds*1000000)
		}
	}
	fmt.Printf("\"check\": %d}\n", total)
}
