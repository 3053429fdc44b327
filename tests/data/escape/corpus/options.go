// Package options: functional options and closures that configure.
package options

import "time"

type Server struct {
	addr    string
	timeout time.Duration
	limits  *limits
	hooks   []func(*Server) error
	labels  map[string]string
}

type limits struct{ conns, bytes int }

type Option func(*Server)

func WithTimeout(d time.Duration) Option {
	return func(s *Server) { s.timeout = d }
}

func WithLimits(conns, bytes int) Option {
	l := limits{conns, bytes}
	return func(s *Server) { s.limits = &l }
}

func WithLabel(k, v string) Option {
	return func(s *Server) {
		if s.labels == nil {
			s.labels = make(map[string]string)
		}
		s.labels[k] = v
	}
}

func WithHook(f func(*Server) error) Option {
	return func(s *Server) { s.hooks = append(s.hooks, f) }
}

func New(addr string, opts ...Option) *Server {
	s := &Server{addr: addr}
	for _, o := range opts {
		o(s)
	}
	return s
}

func configure(s Server, opts []Option) Server {
	for _, o := range opts {
		o(&s)
	}
	return s
}

func (s *Server) start() error {
	for _, h := range s.hooks {
		if err := h(s); err != nil {
			return err
		}
	}
	return nil
}

func demo(n int) (*Server, error) {
	calls := 0
	s := New(":80",
		WithTimeout(3*time.Second),
		WithLimits(n, n<<10),
		WithLabel("env", "test"),
		WithHook(func(*Server) error { calls++; return nil }),
	)
	if err := s.start(); err != nil {
		return nil, err
	}
	_ = calls
	return s, nil
}

func once(f func()) func() {
	done := false
	return func() {
		if !done {
			done = true
			f()
		}
	}
}

func compose(fs ...func(int) int) func(int) int {
	return func(x int) int {
		for _, f := range fs {
			x = f(x)
		}
		return x
	}
}
