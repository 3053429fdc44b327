// Package lexer: a state machine of functions, and a recursive parser over its tokens.
package lexer

import (
	"fmt"
	"strconv"
	"unicode"
)

type kind int

const (
	number kind = iota
	operator
	paren
	end
)

type token struct {
	kind kind
	text string
	pos  int
}

type lexer struct {
	in     []rune
	at     int
	tokens []token
}

type state func(*lexer) state

func lex(s string) []token {
	l := &lexer{in: []rune(s)}
	for st := state(start); st != nil; {
		st = st(l)
	}
	return l.tokens
}

func start(l *lexer) state {
	for l.at < len(l.in) && unicode.IsSpace(l.in[l.at]) {
		l.at++
	}
	switch {
	case l.at >= len(l.in):
		l.emit(end, l.at)
		return nil
	case unicode.IsDigit(l.in[l.at]):
		return digits
	case l.in[l.at] == '(' || l.in[l.at] == ')':
		l.at++
		l.emit(paren, l.at-1)
	default:
		l.at++
		l.emit(operator, l.at-1)
	}
	return start
}

func digits(l *lexer) state {
	from := l.at
	for l.at < len(l.in) && unicode.IsDigit(l.in[l.at]) {
		l.at++
	}
	l.emit(number, from)
	return start
}

func (l *lexer) emit(k kind, from int) {
	l.tokens = append(l.tokens, token{k, string(l.in[from:l.at]), from})
}

type expr interface{ eval() (int, error) }
type lit int
type binary struct {
	op   byte
	l, r expr
}

func (n lit) eval() (int, error) { return int(n), nil }

func (b *binary) eval() (int, error) {
	x, err := b.l.eval()
	if err != nil {
		return 0, err
	}
	y, err := b.r.eval()
	if err != nil {
		return 0, err
	}
	switch b.op {
	case '+':
		return x + y, nil
	case '*':
		return x * y, nil
	}
	return 0, fmt.Errorf("unknown operator %q", b.op)
}

type parser struct {
	toks []token
	pos  int
}

func (p *parser) next() *token {
	t := &p.toks[p.pos]
	p.pos++
	return t
}

func (p *parser) sum() expr {
	left := p.atom()
	for p.toks[p.pos].kind == operator {
		op := p.next()
		left = &binary{op.text[0], left, p.atom()}
	}
	return left
}

func (p *parser) atom() expr {
	t := p.next()
	if t.kind == paren {
		e := p.sum()
		p.next()
		return e
	}
	n, err := strconv.Atoi(t.text)
	if err != nil {
		panic(fmt.Sprint("at ", t.pos, ": ", err))
	}
	return lit(n)
}

func Eval(s string) (int, error) {
	p := parser{toks: lex(s)}
	return p.sum().eval()
}
