// Command wordcount: reads, counts and sorts.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"unicode"
)

type pair struct {
	word string
	n    int
}

type byCount []pair

func (p byCount) Len() int           { return len(p) }
func (p byCount) Less(i, j int) bool { return p[i].n > p[j].n }
func (p byCount) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }

func count(r io.Reader) (map[string]int, error) {
	counts := make(map[string]int)
	sc := bufio.NewScanner(r)
	sc.Split(bufio.ScanWords)
	for sc.Scan() {
		w := strings.TrimFunc(sc.Text(), func(r rune) bool { return !unicode.IsLetter(r) })
		if w != "" {
			counts[strings.ToLower(w)]++
		}
	}
	return counts, sc.Err()
}

func top(counts map[string]int, n int) []pair {
	pairs := make([]pair, 0, len(counts))
	for w, c := range counts {
		pairs = append(pairs, pair{w, c})
	}
	sort.Sort(byCount(pairs))
	if n > len(pairs) {
		n = len(pairs)
	}
	return pairs[:n]
}

func open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("wordcount: %w", err)
	}
	return f, nil
}

func main() {
	n := flag.Int("n", 10, "how many")
	flag.Parse()
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for _, name := range flag.Args() {
		f, err := open(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		counts, err := count(f)
		f.Close()
		if err != nil {
			panic(err)
		}
		for i, p := range top(counts, *n) {
			fmt.Fprintf(w, "%3d. %-20s %d\n", i+1, p.word, p.n)
		}
	}
}
