// Package ratelimit: a token bucket with an injected clock, per-key limiters, errors with methods.
package ratelimit

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

type Clock interface {
	Now() time.Time
	Sleep(context.Context, time.Duration) error
}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }
func (realClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type fakeClock struct {
	now   time.Time
	slept []time.Duration
}

func (f *fakeClock) Now() time.Time { return f.now }
func (f *fakeClock) Sleep(_ context.Context, d time.Duration) error {
	f.now = f.now.Add(d)
	f.slept = append(f.slept, d)
	return nil
}

type Bucket struct {
	mu     sync.Mutex
	clock  Clock
	rate   float64
	burst  float64
	tokens float64
	last   time.Time
}

type Exceeded struct {
	Key   string
	After time.Duration
}

func (e Exceeded) Error() string   { return fmt.Sprintf("%s: wait %v", e.Key, e.After) }
func (e Exceeded) Temporary() bool { return e.After < time.Minute }

func NewBucket(rate, burst float64, c Clock) *Bucket {
	if c == nil {
		c = realClock{}
	}
	return &Bucket{clock: c, rate: rate, burst: burst, tokens: burst, last: c.Now()}
}

func (b *Bucket) Allow(n float64) (ok bool, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	b.tokens = math.Min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	b.last = now
	if b.tokens >= n {
		b.tokens -= n
		return true, 0
	}
	return false, time.Duration((n - b.tokens) / b.rate * float64(time.Second))
}

func (b *Bucket) Wait(ctx context.Context, n float64) error {
	for {
		ok, after := b.Allow(n)
		if ok {
			return nil
		}
		if err := b.clock.Sleep(ctx, after); err != nil {
			return err
		}
	}
}

type Keyed struct {
	mu      sync.Mutex
	buckets map[string]*Bucket
	mk      func() *Bucket
}

func NewKeyed(rate, burst float64, c Clock) *Keyed {
	return &Keyed{
		buckets: make(map[string]*Bucket),
		mk:      func() *Bucket { return NewBucket(rate, burst, c) },
	}
}

func (k *Keyed) get(key string) *Bucket {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, ok := k.buckets[key]
	if !ok {
		b = k.mk()
		k.buckets[key] = b
	}
	return b
}

func (k *Keyed) Do(key string, f func() error) error {
	if ok, after := k.get(key).Allow(1); !ok {
		return Exceeded{key, after}
	}
	return f()
}

func retry(err error) bool {
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}

func simulate(n int) (slept time.Duration) {
	c := &fakeClock{}
	b := NewBucket(10, 1, c)
	for range n {
		_ = b.Wait(context.Background(), 1)
	}
	for _, d := range c.slept {
		slept += d
	}
	return
}
