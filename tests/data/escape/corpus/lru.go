// Package lru: a cache on container/list and a map.
package lru

import (
	"container/list"
	"errors"
	"fmt"
)

var errFull = errors.New("lru: capacity must be positive")

type Cache struct {
	cap   int
	order *list.List
	items map[string]*list.Element
	onOut func(key string, value any)
}

type entry struct {
	key   string
	value any
}

func New(capacity int, onOut func(string, any)) (*Cache, error) {
	if capacity <= 0 {
		return nil, errFull
	}
	return &Cache{
		cap:   capacity,
		order: list.New(),
		items: make(map[string]*list.Element, capacity),
		onOut: onOut,
	}, nil
}

func (c *Cache) Get(key string) (any, bool) {
	e, ok := c.items[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry).value, true
}

func (c *Cache) Put(key string, value any) {
	if e, ok := c.items[key]; ok {
		c.order.MoveToFront(e)
		e.Value.(*entry).value = value
		return
	}
	c.items[key] = c.order.PushFront(&entry{key, value})
	for c.order.Len() > c.cap {
		last := c.order.Back()
		ent := c.order.Remove(last).(*entry)
		delete(c.items, ent.key)
		if c.onOut != nil {
			c.onOut(ent.key, ent.value)
		}
	}
}

func (c *Cache) Keys() []string {
	keys := make([]string, 0, c.order.Len())
	for e := c.order.Front(); e != nil; e = e.Next() {
		keys = append(keys, e.Value.(*entry).key)
	}
	return keys
}

func (c *Cache) String() string {
	return fmt.Sprintf("lru(%d of %d): %v", c.order.Len(), c.cap, c.Keys())
}

func demo() {
	gone := 0
	c, err := New(2, func(k string, v any) { gone++ })
	if err != nil {
		panic(err)
	}
	for i, k := range []string{"a", "b", "c"} {
		c.Put(k, i)
	}
	fmt.Println(c, gone)
}
