// Package visitor: an abstract syntax tree with a visitor interface and a printer.
package visitor

import (
	"fmt"
	"io"
	"strings"
)

type Node interface{ Accept(Visitor) Visitor }

type Visitor interface {
	VisitNum(*Num) Visitor
	VisitCall(*Call) Visitor
}

type Num struct{ Value float64 }

type Call struct {
	Name string
	Args []Node
}

func (n *Num) Accept(v Visitor) Visitor { return v.VisitNum(n) }
func (c *Call) Accept(v Visitor) Visitor {
	if v = v.VisitCall(c); v == nil {
		return nil
	}
	for _, a := range c.Args {
		v = a.Accept(v)
	}
	return v
}

type printer struct {
	w     io.Writer
	depth int
	err   error
}

func (p *printer) VisitNum(n *Num) Visitor {
	p.line(n.Value)
	return p
}

func (p *printer) VisitCall(c *Call) Visitor {
	p.line(c.Name, "of", len(c.Args))
	q := *p
	q.depth++
	return &q
}

func (p *printer) line(args ...any) {
	if p.err != nil {
		return
	}
	_, p.err = fmt.Fprintln(p.w, append([]any{strings.Repeat("  ", p.depth)}, args...)...)
}

type counter struct{ nums, calls int }

func (c *counter) VisitNum(*Num) Visitor   { c.nums++; return c }
func (c *counter) VisitCall(*Call) Visitor { c.calls++; return c }

func Print(w io.Writer, n Node) error {
	p := &printer{w: w}
	n.Accept(p)
	return p.err
}

func Count(n Node) (int, int) {
	var c counter
	n.Accept(&c)
	return c.nums, c.calls
}

func call(name string, args ...Node) *Call { return &Call{name, args} }

func sample() Node {
	return call("add", &Num{1}, call("neg", &Num{2}))
}

func toString(n Node) string {
	var b strings.Builder
	if err := Print(&b, n); err != nil {
		return "?"
	}
	return b.String()
}

type visitFunc func(Node)

func (f visitFunc) VisitNum(n *Num) Visitor   { f(n); return f }
func (f visitFunc) VisitCall(c *Call) Visitor { f(c); return f }

func each(n Node, f func(Node)) { n.Accept(visitFunc(f)) }

func names(n Node) (out []string) {
	each(n, func(n Node) {
		if c, ok := n.(*Call); ok {
			out = append(out, c.Name)
		}
	})
	return
}
