// Package readers: implementations of io.Reader and io.Writer, wrapped in one another.
package readers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

type rot13 struct{ r io.Reader }

func (r rot13) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	for i, c := range p[:n] {
		switch {
		case 'a' <= c && c <= 'z':
			p[i] = 'a' + (c-'a'+13)%26
		case 'A' <= c && c <= 'Z':
			p[i] = 'A' + (c-'A'+13)%26
		}
	}
	return n, err
}

type repeat struct {
	text string
	left int
	at   int
}

func (r *repeat) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.left == 0 {
			return n, io.EOF
		}
		m := copy(p[n:], r.text[r.at:])
		n += m
		if r.at += m; r.at == len(r.text) {
			r.at = 0
			r.left--
		}
	}
	return n, nil
}

type tee []io.Writer

func (t tee) Write(p []byte) (int, error) {
	for _, w := range t {
		if n, err := w.Write(p); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

type lines struct {
	br  *bufio.Reader
	err error
	cur []byte
}

func linesOf(r io.Reader) *lines { return &lines{br: bufio.NewReader(r)} }

func (l *lines) next() bool {
	if l.err != nil {
		return false
	}
	l.cur, l.err = l.br.ReadBytes('\n')
	return len(l.cur) > 0
}

func (l *lines) text() string { return string(bytes.TrimRight(l.cur, "\r\n")) }

func secret(s string) string {
	var b strings.Builder
	io.Copy(&b, rot13{strings.NewReader(s)})
	return b.String()
}

func countLines(name string) (n int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for l := linesOf(f); l.next(); {
		n++
	}
	return n, nil
}

func both(s string) (string, string, error) {
	var a, b bytes.Buffer
	w := tee{&a, &b}
	if _, err := fmt.Fprint(w, s, "!"); err != nil {
		return "", "", err
	}
	return a.String(), b.String(), nil
}

func readFull(r io.Reader) ([16]byte, error) {
	var head [16]byte
	_, err := io.ReadFull(r, head[:])
	return head, err
}

func readInto(r *repeat) int {
	var head [16]byte
	n, _ := r.Read(head[:])
	return n
}

func limited(text string, n int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(&repeat{text: text, left: 100}, n))
}

func multi(parts ...string) io.Reader {
	rs := make([]io.Reader, len(parts))
	for i, p := range parts {
		rs[i] = strings.NewReader(p)
	}
	return io.MultiReader(rs...)
}

func pipe(f func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() { w.CloseWithError(f(w)) }()
	return r
}
