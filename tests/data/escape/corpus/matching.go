// Package matching: regexp, templates of strings, replacers and formatted output.
package matching

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
)

var (
	date  = regexp.MustCompile(`(\d{4})-(\d\d)-(\d\d)`)
	clean = strings.NewReplacer("<", "&lt;", ">", "&gt;")
)

type rule struct {
	re   *regexp.Regexp
	with string
	fn   func(string) string
}

func newRule(pattern, with string) (*rule, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("rule %q: %w", pattern, err)
	}
	return &rule{re: re, with: with}, nil
}

func (r *rule) apply(s string) string {
	if r.fn != nil {
		return r.re.ReplaceAllStringFunc(s, r.fn)
	}
	return r.re.ReplaceAllString(s, r.with)
}

func applyAll(s string, rules ...*rule) string {
	for _, r := range rules {
		s = r.apply(s)
	}
	return clean.Replace(s)
}

func dates(s string) (out []time.Time, err error) {
	for _, m := range date.FindAllString(s, -1) {
		t, err := time.Parse("2006-01-02", m)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return
}

func fields(s string) map[string][]string {
	out := make(map[string][]string)
	for _, line := range strings.Split(s, "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok {
			k = strings.TrimSpace(k)
			out[k] = append(out[k], strings.Fields(v)...)
		}
	}
	return out
}

func expand(s string, vars map[string]string) string {
	return os.Expand(s, func(name string) string {
		if v, ok := vars[name]; ok {
			return v
		}
		return "$" + name
	})
}

func mapped(s string) string {
	seen := 0
	return strings.Map(func(r rune) rune {
		seen++
		if seen%2 == 0 {
			return -1
		}
		return r
	}, s)
}

func table(w io.Writer, rows [][]string) {
	widths := make([]int, 8)
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], len(c))
		}
	}
	for _, row := range rows {
		for i, c := range row {
			fmt.Fprintf(w, "%-*s ", widths[i], c)
		}
		fmt.Fprintln(w)
	}
}

func scan(s string) (a, b int, rest string) {
	fmt.Sscan(s, &a, &b, &rest)
	return
}

func indexAny(s string, subs ...string) (int, string) {
	for _, sub := range subs {
		if i := strings.Index(s, sub); i >= 0 {
			return i, s[i:]
		}
	}
	return -1, ""
}
