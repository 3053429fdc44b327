// Package buffers: byte slices, strings and their conversions.
package buffers

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

func reverse(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

func upper(s string) string {
	b := []byte(s)
	for i := range b {
		if 'a' <= b[i] && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

func countSpaces(s string) int {
	n := 0
	for _, c := range []byte(s) {
		if c == ' ' {
			n++
		}
	}
	return n
}

func equalFold(a []byte, b string) bool {
	return strings.EqualFold(string(a), b)
}

func lookup(m map[string]int, key []byte) int {
	return m[string(key)]
}

func join(parts [][]byte, sep byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p) + 1
	}
	out := make([]byte, 0, n)
	for i, p := range parts {
		if i > 0 {
			out = append(out, sep)
		}
		out = append(out, p...)
	}
	return out
}

func render(name string, n int, tags ...string) string {
	var b strings.Builder
	b.Grow(64)
	b.WriteString(name)
	b.WriteByte('=')
	b.WriteString(strconv.Itoa(n))
	for _, t := range tags {
		b.WriteString("," + t)
	}
	return b.String()
}

func renderBuffer(xs []int) []byte {
	var buf bytes.Buffer
	var scratch [20]byte
	for _, x := range xs {
		buf.Write(strconv.AppendInt(scratch[:0], int64(x), 10))
		buf.WriteRune(' ')
	}
	return bytes.TrimSpace(buf.Bytes())
}

func firstRune(b []byte) (rune, []byte) {
	r, n := utf8.DecodeRune(b)
	return r, b[n:]
}

func concat(a, b string, n int) (string, int) {
	s := a + ":" + b
	t := "<" + s + ">"
	if len(t) > n {
		return s, len(t)
	}
	return s[:1], len(t)
}

func oneRune(r rune) string { return string(r) }

func compare(a, b []byte) bool { return string(a) == string(b) }
