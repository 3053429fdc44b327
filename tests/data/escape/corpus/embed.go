// Package embed: embedded structs and interfaces, promoted methods, wrappers.
package embed

import (
	"io"
	"sync"
)

type Base struct {
	id   int
	tags []string
}

func (b *Base) SetID(id int)       { b.id = id }
func (b Base) ID() int             { return b.id }
func (b *Base) Tag(t string) *Base { b.tags = append(b.tags, t); return b }
func (b *Base) self() *Base        { return b }

type Named struct {
	Base
	name string
}

type Owned struct {
	*Named
	owner *Named
	mu    sync.Mutex
}

type Identified interface {
	ID() int
	SetID(int)
}

func values() int {
	var n Named
	n.SetID(3)
	n.Tag("a").Tag("b")
	return n.ID()
}

func promoted() *Base {
	n := Named{name: "x"}
	return n.self()
}

func viaInterface(n *Named) int {
	var i Identified = n
	i.SetID(4)
	return i.ID()
}

func ownedOf(n *Named) *Owned {
	o := &Owned{Named: n}
	o.owner = o.Named
	o.mu.Lock()
	defer o.mu.Unlock()
	o.SetID(n.ID() + 1)
	return o
}

func byValue(n Named) []string { return n.tags }

func asIdentified(n Named) Identified { return &n }

type countingWriter struct {
	io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

func copyCounted(w io.Writer, r io.Reader) (int64, error) {
	c := &countingWriter{Writer: w}
	_, err := io.Copy(c, r)
	return c.n, err
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func writeLocal(p []byte) int64 {
	c := countingWriter{Writer: discard{}}
	c.Write(p)
	return c.n
}

type readWriter struct {
	io.Reader
	io.Writer
}

func pair(r io.Reader, w io.Writer) io.ReadWriter { return readWriter{r, w} }
