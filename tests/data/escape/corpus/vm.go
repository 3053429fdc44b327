// Package vm: a stack machine with a table of functions, instruction structs and an error path.
package vm

import (
	"errors"
	"fmt"
	"io"
)

type Op byte

const (
	Push Op = iota
	Add
	Mul
	Jump
	Print
	Halt
)

type Instr struct {
	Op  Op
	Arg int
}

type VM struct {
	code  []Instr
	stack [256]int
	sp    int
	pc    int
	out   io.Writer
	trace func(*VM, Instr)
	calls []frame
}

type frame struct {
	ret    int
	locals map[string]int
	outer  *frame
}

var errUnderflow = errors.New("stack underflow")

var table = [...]func(*VM, int) error{
	Push: func(v *VM, n int) error { v.push(n); return nil },
	Add: func(v *VM, _ int) error {
		return v.binary(func(a, b int) int { return a + b })
	},
	Mul: func(v *VM, _ int) error {
		return v.binary(func(a, b int) int { return a * b })
	},
	Jump:  func(v *VM, n int) error { v.pc = n; return nil },
	Print: (*VM).print,
}

func (v *VM) push(n int) { v.stack[v.sp] = n; v.sp++ }

func (v *VM) pop() (int, error) {
	if v.sp == 0 {
		return 0, errUnderflow
	}
	v.sp--
	return v.stack[v.sp], nil
}

func (v *VM) binary(f func(a, b int) int) error {
	b, err := v.pop()
	if err != nil {
		return err
	}
	a, err := v.pop()
	if err != nil {
		return err
	}
	v.push(f(a, b))
	return nil
}

func (v *VM) print(int) error {
	n, err := v.pop()
	if err == nil {
		fmt.Fprintln(v.out, n)
	}
	return err
}

func (v *VM) Run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("at %d: %v", v.pc, r)
		}
	}()
	for v.pc < len(v.code) {
		in := v.code[v.pc]
		v.pc++
		if v.trace != nil {
			v.trace(v, in)
		}
		if in.Op == Halt {
			return nil
		}
		if err := table[in.Op](v, in.Arg); err != nil {
			return &vmError{v.pc - 1, in, err}
		}
	}
	return io.ErrUnexpectedEOF
}

type vmError struct {
	pc  int
	in  Instr
	err error
}

func (e *vmError) Error() string { return fmt.Sprintf("%d: %+v: %v", e.pc, e.in, e.err) }

func (f *frame) lookup(name string) (*int, bool) {
	for ; f != nil; f = f.outer {
		if n, ok := f.locals[name]; ok {
			return &n, true
		}
	}
	return nil, false
}

func (v *VM) enter(ret int) *frame {
	var outer *frame
	if n := len(v.calls); n > 0 {
		outer = &v.calls[n-1]
	}
	v.calls = append(v.calls, frame{ret, map[string]int{}, outer})
	return &v.calls[len(v.calls)-1]
}

func assemble(args ...any) (code []Instr, err error) {
	for _, a := range args {
		switch a := a.(type) {
		case Op:
			code = append(code, Instr{Op: a})
		case int:
			code[len(code)-1].Arg = a
		default:
			return nil, fmt.Errorf("cannot assemble %T", a)
		}
	}
	return
}

func run(w io.Writer, steps *int) error {
	code, err := assemble(Push, 2, Push, 3, Add, Print, Halt)
	if err != nil {
		return err
	}
	v := VM{code: code, out: w, trace: func(*VM, Instr) { *steps++ }}
	return v.Run()
}
