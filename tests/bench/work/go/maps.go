package main

import (
	"time"
	"unsafe"
)

const textBytes = 16

// Adds the time since start to a phase; the start of the next one.
func took(ns *[4]float64, phase int, start time.Time) time.Time {
	now := time.Now()
	ns[phase] += float64(now.Sub(start).Nanoseconds())
	return now
}

// The same round three times: only where it knows the types does the compiler call the fast routines.
func mapsOfNumbers(keys []uint64, elems []uint64, order []uint32, ns *[4]float64) (sum int) {
	count := len(order)
	start := time.Now()
	m := make(map[uint64]uint64)
	for i := range count {
		m[keys[i]] = elems[i]
	}
	start = took(ns, 0, start)
	for _, k := range order {
		if _, ok := m[keys[k]]; ok {
			sum++
		}
	}
	start = took(ns, 1, start)
	for _, k := range order {
		if _, ok := m[keys[count+int(k)]]; ok {
			sum++
		}
	}
	start = took(ns, 2, start)
	for _, k := range order {
		before := len(m)
		delete(m, keys[k])
		sum += before - len(m)
		m[keys[k]] = elems[k]
	}
	took(ns, 3, start)
	return sum + len(m)
}

func mapsOfTexts(keys []string, elems []uint64, order []uint32, ns *[4]float64) (sum int) {
	count := len(order)
	start := time.Now()
	m := make(map[string]uint64)
	for i := range count {
		m[keys[i]] = elems[i]
	}
	start = took(ns, 0, start)
	for _, k := range order {
		if _, ok := m[keys[k]]; ok {
			sum++
		}
	}
	start = took(ns, 1, start)
	for _, k := range order {
		if _, ok := m[keys[count+int(k)]]; ok {
			sum++
		}
	}
	start = took(ns, 2, start)
	for _, k := range order {
		before := len(m)
		delete(m, keys[k])
		sum += before - len(m)
		m[keys[k]] = elems[k]
	}
	took(ns, 3, start)
	return sum + len(m)
}

func mapsOfPointers(keys []string, elems []*byte, order []uint32, ns *[4]float64) (sum int) {
	count := len(order)
	start := time.Now()
	m := make(map[string]*byte)
	for i := range count {
		m[keys[i]] = elems[i]
	}
	start = took(ns, 0, start)
	for _, k := range order {
		if _, ok := m[keys[k]]; ok {
			sum++
		}
	}
	start = took(ns, 1, start)
	for _, k := range order {
		if _, ok := m[keys[count+int(k)]]; ok {
			sum++
		}
	}
	start = took(ns, 2, start)
	for _, k := range order {
		before := len(m)
		delete(m, keys[k])
		sum += before - len(m)
		m[keys[k]] = elems[k]
	}
	took(ns, 3, start)
	return sum + len(m)
}

func maps(words []string) told {
	count, rounds, seed := number(words[1]), number(words[2]), random(1)
	numbers, texts, order := make([]uint64, 2*count), make([]string, 2*count), make([]uint32, count)
	bytes := make([]byte, 2*count*textBytes)
	for i := range numbers {
		numbers[i] = seed.next()
		text := bytes[i*textBytes : (i+1)*textBytes]
		for k := range text {
			text[k] = "0123456789abcdef"[numbers[i]>>(4*k)&15]
		}
		texts[i] = unsafe.String(&text[0], textBytes)
	}
	indices, pointers := make([]uint64, count), make([]*byte, count)
	for k := range order { // a shuffle as it grows
		indices[k], pointers[k] = uint64(k), unsafe.StringData(texts[k])
		other := seed.below(uint64(k) + 1)
		order[k], order[other] = order[other], uint32(k)
	}
	var ns [4]float64
	sum, start := 0, time.Now()
	for range rounds {
		switch words[0] {
		case "int":
			sum += mapsOfNumbers(numbers, indices, order, &ns)
		case "string":
			sum += mapsOfTexts(texts, indices, order, &ns)
		default:
			sum += mapsOfPointers(texts, pointers, order, &ns)
		}
	}
	result := told{"check": sum, "seconds": time.Since(start).Seconds()}
	for i, name := range []string{"insert", "hit", "miss", "churn"} {
		result["ns_"+name] = ns[i] / float64(rounds*count)
	}
	return result
}
