// Package trie: arrays of pointers, recursion through methods, mutual recursion.
package trie

import "strings"

type Trie struct {
	root node
	n    int
}

type node struct {
	kids [26]*node
	word *string
	more map[rune]*node
}

func (t *Trie) Add(words ...string) *Trie {
	for _, w := range words {
		n := &t.root
		for _, r := range strings.ToLower(w) {
			n = n.kid(r, true)
		}
		if n.word == nil {
			t.n++
		}
		n.word = &w
	}
	return t
}

func (n *node) kid(r rune, grow bool) *node {
	if i := r - 'a'; i >= 0 && i < 26 {
		if n.kids[i] == nil && grow {
			n.kids[i] = &node{}
		}
		return n.kids[i]
	}
	k, ok := n.more[r]
	if !ok && grow {
		k = new(node)
		if n.more == nil {
			n.more = make(map[rune]*node)
		}
		n.more[r] = k
	}
	return k
}

func (n *node) walk(prefix []rune, f func(string, []rune)) {
	if n.word != nil {
		f(*n.word, prefix)
	}
	for i, k := range n.kids {
		if k != nil {
			k.walk(append(prefix, rune('a'+i)), f)
		}
	}
	for r, k := range n.more {
		k.walk(append(prefix, r), f)
	}
}

func (t *Trie) With(prefix string) (out []string) {
	n := &t.root
	for _, r := range prefix {
		if n = n.kid(r, false); n == nil {
			return nil
		}
	}
	n.walk([]rune(prefix), func(w string, _ []rune) { out = append(out, w) })
	return
}

func (t *Trie) longest() string {
	best := ""
	var buf [32]rune
	t.root.walk(buf[:0], func(w string, at []rune) {
		if len(at) > len(best) {
			best = w
		}
	})
	return best
}

func isEven(n *node, depth int) *node {
	if n == nil || depth == 0 {
		return n
	}
	return isOdd(n.kids[0], depth-1)
}

func isOdd(n *node, depth int) *node {
	if n == nil || depth == 0 {
		return nil
	}
	return isEven(n.kids[1], depth-1)
}

func countDown(p *int, acc *[]*int) {
	if *p == 0 {
		return
	}
	*acc = append(*acc, p)
	q := *p - 1
	countDown(&q, acc)
}

func deepest(n *node) (*node, int) {
	best, depth := n, 0
	for _, k := range n.kids {
		if k == nil {
			continue
		}
		if b, d := deepest(k); d+1 > depth {
			best, depth = b, d+1
		}
	}
	return best, depth
}

func local() int {
	var t Trie
	t.Add("go", "gopher", "gone")
	return len(t.With("go")) + t.n
}
