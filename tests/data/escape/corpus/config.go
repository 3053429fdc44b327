// Package config: parsing of key=value files, struct literals, package variables and initialisers.
package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type Config struct {
	Name    string
	Retries int
	Every   time.Duration
	Nested  *Nested
	Extra   map[string]string
}

type Nested struct {
	Paths []string
	Limit *int
}

var (
	defaults = Config{Name: "none", Retries: 3, Nested: &Nested{Paths: []string{"/etc", "/usr/etc"}}}
	order    = []string{"name", "retries", "every"}
	setters  = map[string]func(*Config, string) error{
		"name":    func(c *Config, v string) error { c.Name = v; return nil },
		"retries": setRetries,
		"every": func(c *Config, v string) (err error) {
			c.Every, err = time.ParseDuration(v)
			return
		},
	}
	errSyntax = errors.New("no = in line")
	limit     = 10
	current   *Config
	buildTime = time.Now()
	home      = filepath.Join(os.TempDir(), "config")
)

func init() {
	c := defaults
	current = &c
}

func setRetries(c *Config, v string) error {
	_, err := fmt.Sscanf(v, "%d", &c.Retries)
	return err
}

func Parse(data []byte) (*Config, error) {
	c := defaults
	c.Extra = map[string]string{}
	sc := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%d: %w", n, errSyntax)
		}
		set, ok := setters[k]
		if !ok {
			c.Extra[k] = v
			continue
		}
		if err := set(&c, v); err != nil {
			return nil, err
		}
	}
	return &c, sc.Err()
}

func (c *Config) limit() *int {
	if c.Nested == nil || c.Nested.Limit == nil {
		return &limit
	}
	return c.Nested.Limit
}

func (c Config) clone() Config {
	n := *c.Nested
	n.Paths = append([]string(nil), n.Paths...)
	c.Nested = &n
	return c
}

func withLimit(n int) *Nested { return &Nested{Limit: &n} }

func (c *Config) String() string {
	lines := make([]string, 0, len(order))
	for _, k := range order {
		lines = append(lines, fmt.Sprintf("%s=%v", k, c.Extra[k]))
	}
	return strings.Join(lines, "\n")
}
