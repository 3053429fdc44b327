// Package errorsx: error types, wrapping, panics and recovers.
package errorsx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

var ErrNotFound = errors.New("not found")

type ParseError struct {
	Line int
	Text string
	Err  error
}

func (e *ParseError) Error() string {
	return "line " + strconv.Itoa(e.Line) + ": " + e.Text + ": " + e.Err.Error()
}

func (e *ParseError) Unwrap() error { return e.Err }

type codeError int

func (c codeError) Error() string { return "code " + strconv.Itoa(int(c)) }

func parse(line int, s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, &ParseError{line, s, err}
	}
	if n < 0 {
		return 0, codeError(n)
	}
	return n, nil
}

func find(m map[string]int, k string) (int, error) {
	v, ok := m[k]
	if !ok {
		return 0, fmt.Errorf("find %q: %w", k, ErrNotFound)
	}
	return v, nil
}

func lineOf(err error) int {
	var pe *ParseError
	if errors.As(err, &pe) {
		return pe.Line
	}
	return -1
}

func code(err error) int {
	var c codeError
	if errors.As(err, &c) {
		return int(c)
	}
	if errors.Is(err, io.EOF) {
		return 0
	}
	return 1
}

func safely(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if e, ok := r.(error); ok {
				err = e
				return
			}
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	f()
	return nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func report(errs map[int]error) {
	for n, err := range errs {
		fmt.Fprintf(os.Stderr, "%d: %v\n", n, err)
	}
}

func sum(lines []string) int {
	total := 0
	for i, l := range lines {
		total += must(parse(i, l))
	}
	return total
}
