// Package sorting: comparators, closures over slices, stable and partial sorts, generics with constraints.
package sorting

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

type Track struct {
	Title  string
	Artist *Artist
	Year   int
}

type Artist struct {
	Name string
	Born int
}

type lessFunc func(a, b *Track) bool

type multi struct {
	tracks []*Track
	less   []lessFunc
}

func (m *multi) Len() int      { return len(m.tracks) }
func (m *multi) Swap(i, j int) { m.tracks[i], m.tracks[j] = m.tracks[j], m.tracks[i] }
func (m *multi) Less(i, j int) bool {
	p, q := m.tracks[i], m.tracks[j]
	for _, less := range m.less[:len(m.less)-1] {
		switch {
		case less(p, q):
			return true
		case less(q, p):
			return false
		}
	}
	return m.less[len(m.less)-1](p, q)
}

func (m *multi) Sort(tracks []*Track) {
	m.tracks = tracks
	sort.Sort(m)
}

func by(less ...lessFunc) *multi { return &multi{less: less} }

func sortTracks(ts []*Track) {
	year := func(a, b *Track) bool { return a.Year < b.Year }
	title := func(a, b *Track) bool { return a.Title < b.Title }
	by(year, title).Sort(ts)
}

func sortReverse(ts []*Track) {
	sort.Sort(sort.Reverse(&multi{ts, []lessFunc{func(a, b *Track) bool { return a.Artist.Born < b.Artist.Born }}}))
}

func sortSlice(ts []Track) {
	sort.SliceStable(ts, func(i, j int) bool { return ts[i].Year < ts[j].Year })
}

func sortFunc(ts []Track) {
	slices.SortFunc(ts, func(a, b Track) int {
		return cmp.Or(cmp.Compare(a.Year, b.Year), strings.Compare(a.Title, b.Title))
	})
}

func insertion[T any](xs []T, less func(a, b T) bool) []T {
	for i := range xs {
		for j := i; j > 0 && less(xs[j], xs[j-1]); j-- {
			xs[j], xs[j-1] = xs[j-1], xs[j]
		}
	}
	return xs
}

func quick[T cmp.Ordered](xs []T) {
	if len(xs) < 2 {
		return
	}
	p, rest := xs[0], xs[1:]
	i := 0
	for j := range rest {
		if rest[j] < p {
			rest[i], rest[j] = rest[j], rest[i]
			i++
		}
	}
	xs[0], xs[i] = xs[i], xs[0]
	quick(xs[:i])
	quick(xs[i+1:])
}

func use(xs []int, words []string) (int, bool) {
	ys := insertion(slices.Clone(xs), func(a, b int) bool { return a > b })
	quick(ys)
	quick(words)
	i, found := slices.BinarySearch(ys, 3)
	return i + sort.SearchInts(ys, 4), found
}

func groups(ts []Track) map[*Artist][]Track {
	m := map[*Artist][]Track{}
	for _, t := range ts {
		m[t.Artist] = append(m[t.Artist], t)
	}
	return m
}

func mergeSort(xs []int) []int {
	if len(xs) <= 1 {
		return xs
	}
	a, b := mergeSort(xs[:len(xs)/2]), mergeSort(xs[len(xs)/2:])
	out := make([]int, 0, len(xs))
	for len(a) > 0 && len(b) > 0 {
		if a[0] <= b[0] {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
