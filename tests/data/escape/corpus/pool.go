// Package pool: sync.Pool done wrong and right, and a pool of a channel.
package pool

import (
	"bytes"
	"io"
	"sync"
)

var bufPool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var slicePool = &sync.Pool{
	New: func() any {
		b := make([]byte, 4096)
		return &b
	},
}

func format(w io.Writer, parts ...string) error {
	b := bufPool.Get().(*bytes.Buffer)
	defer bufPool.Put(b)
	b.Reset()
	for _, p := range parts {
		b.WriteString(p)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func copyAll(dst io.Writer, src io.Reader) (int64, error) {
	bp := slicePool.Get().(*[]byte)
	n, err := io.CopyBuffer(dst, src, *bp)
	slicePool.Put(bp)
	return n, err
}

func wrong(b []byte) {
	slicePool.Put(b)
}

type Object struct {
	id   int
	data [128]byte
}

type ChanPool struct {
	free chan *Object
	mk   func() *Object
}

func NewChanPool(n int) *ChanPool {
	next := 0
	return &ChanPool{
		free: make(chan *Object, n),
		mk: func() *Object {
			next++
			return &Object{id: next}
		},
	}
}

func (p *ChanPool) Get() *Object {
	select {
	case o := <-p.free:
		return o
	default:
		return p.mk()
	}
}

func (p *ChanPool) Put(o *Object) bool {
	o.data = [128]byte{}
	select {
	case p.free <- o:
		return true
	default:
		return false
	}
}

func use(p *ChanPool, f func(*Object)) {
	o := p.Get()
	defer p.Put(o)
	f(o)
}

func local() int {
	var o Object
	p := &o
	p.data[3] = 7
	return int(o.data[3]) + len(p.data)
}
