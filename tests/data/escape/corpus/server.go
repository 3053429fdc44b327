// Command server: net/http handlers, encoding/json, a context and a mutex.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type note struct {
	ID   int       `json:"id"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
	tags []string
}

type store struct {
	mu    sync.RWMutex
	notes map[int]*note
	next  int
}

func newStore() *store { return &store{notes: make(map[int]*note)} }

func (s *store) add(text string, tags ...string) *note {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	n := &note{ID: s.next, Text: text, At: time.Now(), tags: tags}
	s.notes[n.ID] = n
	return n
}

func (s *store) each(ctx context.Context, f func(note) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, n := range s.notes {
		select {
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if err := f(*n); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		var all []note
		err := s.each(r.Context(), func(n note) error {
			all = append(all, n)
			return nil
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(all)
	case http.MethodPost:
		var in struct{ Text string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, "bad note", http.StatusBadRequest)
			return
		}
		n := s.add(strings.TrimSpace(in.Text))
		fmt.Fprintf(w, "%d\n", n.ID)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func logged(l *log.Logger, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		h.ServeHTTP(w, r)
		l.Printf("%s %s %v", r.Method, r.URL.Path, time.Since(begin))
	})
}

func marshal(n *note) ([]byte, error) {
	type wire struct {
		note
		Tags []string `json:"tags,omitempty"`
	}
	return json.Marshal(wire{*n, n.tags})
}

func main() {
	l := log.New(os.Stderr, "notes ", log.LstdFlags)
	mux := http.NewServeMux()
	s := newStore()
	mux.Handle("/notes", logged(l, s))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	srv := &http.Server{Addr: ":0", Handler: mux, ReadTimeout: 5 * time.Second}
	if len(os.Args) > 1 {
		log.Fatal(srv.ListenAndServe())
	}
}
