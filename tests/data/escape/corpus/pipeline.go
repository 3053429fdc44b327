// Command pipeline: stages of goroutines joined by channels.
package main

import (
	"fmt"
	"strings"
	"sync"
)

type job struct {
	id   int
	text string
	done chan<- result
}

type result struct {
	id    int
	words int
	err   error
}

func generate(texts []string, done chan<- result) <-chan *job {
	out := make(chan *job)
	go func() {
		defer close(out)
		for i, t := range texts {
			out <- &job{id: i, text: t, done: done}
		}
	}()
	return out
}

func worker(id int, in <-chan *job, wg *sync.WaitGroup) {
	defer wg.Done()
	for j := range in {
		r := count(j)
		if r.words == 0 {
			r.err = fmt.Errorf("worker %d: job %d is empty", id, j.id)
		}
		j.done <- r
	}
}

func count(j *job) result {
	return result{id: j.id, words: len(strings.Fields(j.text))}
}

func run(texts []string, n int) (total int, errs []error) {
	done := make(chan result, len(texts))
	in := generate(texts, done)
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		go worker(i, in, &wg)
	}
	wg.Wait()
	close(done)
	for r := range done {
		total += r.words
		if r.err != nil {
			errs = append(errs, r.err)
		}
	}
	return
}

func main() {
	total, errs := run([]string{"one two", "", "three"}, 2)
	fmt.Println("total", total, "errors", len(errs))
	for _, err := range errs {
		fmt.Println(err)
	}
}
