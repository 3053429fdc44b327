package main

import "time"

type entry struct {
	chain, before, after *entry
	value                *[8]uint64
	key                  uint64
}

type cache struct {
	table []*entry
	ends  *entry
}

func (c *cache) chain(key uint64) **entry {
	return &c.table[key*0x9e3779b97f4a7c15>>32&uint64(len(c.table)-1)]
}

func (c *cache) find(key uint64) *entry {
	e := *c.chain(key)
	for e != nil && e.key != key {
		e = e.chain
	}
	return e
}

func (e *entry) unlink() {
	e.before.after = e.after
	e.after.before = e.before
}

func (c *cache) toFront(e *entry) {
	e.before = c.ends
	e.after = c.ends.after
	c.ends.after.before = e
	c.ends.after = e
}

func (c *cache) evict() {
	e := c.ends.before
	link := c.chain(e.key)
	e.unlink()
	for *link != e {
		link = &(*link).chain
	}
	*link = e.chain
}

func (c *cache) insert(key uint64) {
	e := &entry{value: new([8]uint64), key: key}
	e.value[0] = key
	chain := c.chain(key)
	e.chain = *chain
	*chain = e
	c.toFront(e)
}

func lru(words []string) told {
	capacity, steps, chains, hits, used := number(words[0]), number(words[1]), 1, 0, 0
	for chains < capacity {
		chains *= 2
	}
	start, seed := time.Now(), random(3)
	c := cache{make([]*entry, chains), &entry{}}
	c.ends.before, c.ends.after = c.ends, c.ends
	wide := uint64(capacity) * 4
	for range steps { // small keys are asked for more often
		a := uint64(seed.below(wide))
		key := a * uint64(seed.below(wide)) / wide
		if e := c.find(key); e != nil {
			if e.value[0] == key {
				hits++
			}
			e.unlink()
			c.toFront(e)
			continue
		}
		if used == capacity {
			c.evict()
		} else {
			used++
		}
		c.insert(key)
	}
	return told{"check": hits, "seconds": time.Since(start).Seconds(), "ns_per_step": nsSince(start) / float64(steps)}
}
