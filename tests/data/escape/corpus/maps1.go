// Package maps1: maps as locals, results, fields, with values, pointers and structs.
package maps1

type key struct{ x, y int }

type Grid struct {
	cells map[key]*cell
	names map[string]map[string]int
}

type cell struct {
	n    int
	near []*cell
}

func local(words []string) int {
	m := make(map[string]int)
	for _, w := range words {
		m[w]++
	}
	best := 0
	for _, n := range m {
		best = max(best, n)
	}
	return best
}

func literal(k string) int {
	m := map[string]int{"one": 1, "two": 2, k: 3}
	return m["one"] + m[k]
}

func returned() map[string]bool {
	m := map[string]bool{"a": true}
	m["b"] = false
	return m
}

func (g *Grid) at(x, y int) *cell {
	if c, ok := g.cells[key{x, y}]; ok {
		return c
	}
	c := new(cell)
	g.cells[key{x, y}] = c
	return c
}

func (g *Grid) link(x, y int) {
	c := g.at(x, y)
	for dx := -1; dx <= 1; dx++ {
		if near := g.cells[key{x + dx, y}]; near != nil {
			c.near = append(c.near, near)
		}
	}
}

func (g *Grid) count(a, b string) int {
	inner := g.names[a]
	if inner == nil {
		inner = map[string]int{}
		g.names[a] = inner
	}
	inner[b]++
	return inner[b]
}

func pointersAsKeys(ps []*cell) int {
	seen := map[*cell]struct{}{}
	for _, p := range ps {
		seen[p] = struct{}{}
	}
	return len(seen)
}

func interfacesAsKeys(vs ...any) map[any]int {
	m := map[any]int{}
	for i, v := range vs {
		m[v] = i
	}
	m[len(vs)] = -1
	return m
}

func addressOfCopy(m map[string]cell) *cell {
	c := m["x"]
	c.n++
	return &c
}

func structValues() int {
	m := map[string]cell{"a": {n: 1}, "b": {n: 2, near: []*cell{{n: 3}}}}
	delete(m, "a")
	clear(m)
	return len(m)
}

func funcs() int {
	ops := map[string]func(int, int) int{
		"add": func(a, b int) int { return a + b },
		"sub": func(a, b int) int { return a - b },
	}
	return ops["add"](1, 2)
}

func invert(m map[string]*cell) map[*cell]string {
	out := make(map[*cell]string, len(m))
	for k, v := range m {
		out[v] = k
	}
	return out
}
