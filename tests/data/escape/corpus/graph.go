// Package graph: maps of slices, searches, a heap of container/heap.
package graph

import "container/heap"

type Graph struct {
	edges map[string][]edge
}

type edge struct {
	to   string
	cost int
}

type step struct {
	at   string
	cost int
	from *step
}

type frontier []*step

func (f frontier) Len() int           { return len(f) }
func (f frontier) Less(i, j int) bool { return f[i].cost < f[j].cost }
func (f frontier) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *frontier) Push(x any)        { *f = append(*f, x.(*step)) }
func (f *frontier) Pop() any {
	old := *f
	n := len(old)
	s := old[n-1]
	old[n-1] = nil
	*f = old[:n-1]
	return s
}

func (g *Graph) Connect(a, b string, cost int) {
	if g.edges == nil {
		g.edges = map[string][]edge{}
	}
	g.edges[a] = append(g.edges[a], edge{b, cost})
	g.edges[b] = append(g.edges[b], edge{a, cost})
}

func (g *Graph) Path(from, to string) ([]string, int) {
	seen := map[string]bool{}
	f := &frontier{{at: from}}
	for f.Len() > 0 {
		s := heap.Pop(f).(*step)
		if s.at == to {
			return s.path(), s.cost
		}
		if seen[s.at] {
			continue
		}
		seen[s.at] = true
		for _, e := range g.edges[s.at] {
			heap.Push(f, &step{e.to, s.cost + e.cost, s})
		}
	}
	return nil, -1
}

func (s *step) path() (names []string) {
	for ; s != nil; s = s.from {
		names = append(names, s.at)
	}
	for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
		names[i], names[j] = names[j], names[i]
	}
	return
}

func (g *Graph) reach(from string, visit func(string)) int {
	seen := make(map[string]struct{})
	var walk func(string)
	walk = func(at string) {
		if _, ok := seen[at]; ok {
			return
		}
		seen[at] = struct{}{}
		visit(at)
		for _, e := range g.edges[at] {
			walk(e.to)
		}
	}
	walk(from)
	return len(seen)
}

func degrees(g *Graph) map[string]int {
	d := make(map[string]int, len(g.edges))
	for k, es := range g.edges {
		d[k] = len(es)
	}
	return d
}
