// Package tree: a binary search tree, with values and parents, walked in several ways.
package tree

type Node struct {
	key         int
	left, right *Node
	parent      *Node
}

type Tree struct {
	root *Node
	size int
}

func (t *Tree) Insert(key int) bool {
	p := &t.root
	var parent *Node
	for *p != nil {
		parent = *p
		switch {
		case key < parent.key:
			p = &parent.left
		case key > parent.key:
			p = &parent.right
		default:
			return false
		}
	}
	*p = &Node{key: key, parent: parent}
	t.size++
	return true
}

func (t *Tree) Find(key int) *Node {
	n := t.root
	for n != nil && n.key != key {
		if key < n.key {
			n = n.left
		} else {
			n = n.right
		}
	}
	return n
}

func (n *Node) min() *Node {
	for n.left != nil {
		n = n.left
	}
	return n
}

func (n *Node) depth() int {
	if n == nil {
		return 0
	}
	return 1 + max(n.left.depth(), n.right.depth())
}

func (t *Tree) Walk(f func(*Node) bool) {
	var walk func(*Node) bool
	walk = func(n *Node) bool {
		if n == nil {
			return true
		}
		return walk(n.left) && f(n) && walk(n.right)
	}
	walk(t.root)
}

func (t *Tree) Keys() []int {
	keys := make([]int, 0, t.size)
	t.Walk(func(n *Node) bool {
		keys = append(keys, n.key)
		return true
	})
	return keys
}

func (t *Tree) levels() (all [][]*Node) {
	if t.root == nil {
		return
	}
	level := []*Node{t.root}
	for len(level) > 0 {
		all = append(all, level)
		var next []*Node
		for _, n := range level {
			if n.left != nil {
				next = append(next, n.left)
			}
			if n.right != nil {
				next = append(next, n.right)
			}
		}
		level = next
	}
	return all
}

func sum(keys ...int) (s int) {
	var t Tree
	for _, k := range keys {
		t.Insert(k)
	}
	t.Walk(func(n *Node) bool { s += n.key; return true })
	return
}

func rotate(n *Node) *Node {
	r := n.right
	n.right, r.left = r.left, n
	r.parent, n.parent = n.parent, r
	return r
}
