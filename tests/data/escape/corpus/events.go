// Package events: a bus with handlers, method values and method expressions.
package events

import (
	"log"
	"sync"
)

type Event struct {
	Name string
	Data map[string]any
}

type Handler func(*Event)

type Bus struct {
	mu       sync.RWMutex
	handlers map[string][]Handler
	log      *log.Logger
}

func NewBus(l *log.Logger) *Bus {
	return &Bus{handlers: map[string][]Handler{}, log: l}
}

func (b *Bus) On(name string, h Handler) (off func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handlers[name] = append(b.handlers[name], h)
	i := len(b.handlers[name]) - 1
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.handlers[name][i] = nil
	}
}

func (b *Bus) Emit(name string, data map[string]any) {
	e := Event{Name: name, Data: data}
	b.mu.RLock()
	hs := b.handlers[name]
	b.mu.RUnlock()
	for _, h := range hs {
		if h != nil {
			h(&e)
		}
	}
}

func (b *Bus) emitLater(e *Event, done chan struct{}) {
	go func(e *Event) {
		b.Emit(e.Name, e.Data)
		done <- struct{}{}
	}(e)
}

type counter struct {
	n    int
	last *Event
}

func (c *counter) count(*Event)      { c.n++ }
func (c *counter) keep(e *Event)     { c.last = e }
func (c counter) show(prefix string) { println(prefix, c.n) }

func attach(b *Bus) *counter {
	c := &counter{}
	b.On("a", c.count)
	b.On("b", c.keep)
	return c
}

func localMethodValues() int {
	var c counter
	f := c.count
	f(nil)
	g := (*counter).count
	g(&c, nil)
	h := c.show
	h("n")
	k := counter.show
	k(c, "n")
	return c.n
}

func methodOfInterface(s interface{ String() string }) func() string {
	return s.String
}
