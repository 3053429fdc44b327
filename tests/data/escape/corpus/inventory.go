// Package inventory: structs in structs, arrays of structs, copies, pointers into both, constructors.
package inventory

import (
	"fmt"
	"strings"
)

type Item struct {
	Name  string
	Price float64
	Tags  []string
	Dim   Dim
	Maker *Maker
}

type Dim struct{ W, H, D float64 }
type Maker struct {
	Name    string
	Address *string
	Items   []*Item
}

type Shelf struct {
	slots [10]Item
	extra []Item
	index map[string]*Item
}

func NewItem(name string, price float64, tags ...string) Item {
	return Item{Name: name, Price: price, Tags: tags}
}

func NewItemPtr(name string, price float64) *Item {
	i := NewItem(name, price)
	return &i
}

func (i Item) WithTag(t string) Item {
	i.Tags = append(append([]string{}, i.Tags...), t)
	return i
}

func (i *Item) dim() *Dim { return &i.Dim }

func (i *Item) tag(n int) *string { return &i.Tags[n] }

func (i Item) dimCopy() *Dim { return &i.Dim }

func (d Dim) volume() float64 { return d.W * d.H * d.D }

func (s *Shelf) put(n int, i Item) *Item {
	s.slots[n] = i
	p := &s.slots[n]
	if s.index == nil {
		s.index = map[string]*Item{}
	}
	s.index[i.Name] = p
	return p
}

func (s *Shelf) total() (t float64) {
	for _, i := range s.slots {
		t += i.Price
	}
	for i := range s.extra {
		t += s.extra[i].Price
	}
	return t
}

func (s Shelf) biggest() *Item {
	best := &s.slots[0]
	for i := range s.slots {
		if s.slots[i].Dim.volume() > best.Dim.volume() {
			best = &s.slots[i]
		}
	}
	return best
}

func (m *Maker) makes(i *Item) {
	i.Maker = m
	m.Items = append(m.Items, i)
}

func localShelf() float64 {
	var s Shelf
	s.put(0, NewItem("a", 1, "x", "y"))
	s.put(1, *NewItemPtr("b", 2))
	i := s.slots[0].WithTag("z")
	i.dim().W = 3
	return s.total() + i.Dim.volume()
}

func makerOf(name string) *Maker {
	var m Maker
	m.Name = name
	addr := strings.ToUpper(name)
	m.Address = &addr
	return &m
}

func localMaker(name string) int {
	m := Maker{Name: name}
	i := Item{Name: name}
	m.makes(&i)
	return len(m.Items)
}

func compareItems(a, b *Item) bool {
	return a.Dim == b.Dim && a.Maker == b.Maker && a.Name == b.Name
}

func anonymous(n int) any {
	pt := struct {
		x, y int
		in   *int
	}{n, n, &n}
	return pt
}

func nested() string {
	shop := struct {
		Shelf
		name  string
		owner *Maker
	}{name: "corner", owner: &Maker{Name: "me"}}
	shop.put(2, Item{Name: "c"})
	return shop.name + shop.owner.Name + fmt.Sprint(shop.slots[2].Price)
}

func arrayOfStructs() [3]Dim {
	ds := [3]Dim{{1, 2, 3}, {W: 4}, 2: {D: 5}}
	p := &ds[1]
	p.H = 6
	return ds
}

func interned(names []string) func(string) *string {
	table := make(map[string]*string, len(names))
	for i := range names {
		table[names[i]] = &names[i]
	}
	return func(s string) *string {
		if p, ok := table[s]; ok {
			return p
		}
		table[s] = &s
		return &s
	}
}
