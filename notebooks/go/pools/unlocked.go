// The chapter's MemoryPool writes its map without a lock. Go's map notices, and ends the program.
//
//	go run unlocked.go
package main

import "sync"

type MemoryPool struct{ pools map[int]*sync.Pool }

func (mp *MemoryPool) getPool(size int) *sync.Pool {
	if pool, exists := mp.pools[size]; exists {
		return pool
	}
	pool := &sync.Pool{}
	mp.pools[size] = pool
	return pool
}

func main() {
	var all sync.WaitGroup
	mp := &MemoryPool{pools: map[int]*sync.Pool{}}
	for g := range 8 {
		all.Go(func() {
			for i := range 1_000_000 {
				mp.getPool(i<<3 | g)
			}
		})
	}
	all.Wait()
}
