"""A solution of 05_escape."""

import re

LINE = re.compile(r"[^:]+:(\d+):(\d+): (.*)")
FROM = re.compile(r"    from .* \((.*?)\) at [^:]+:(\d+):\d+")
VERDICT = re.compile(r"moved to heap: (.*)|(.*) escapes to heap")


def read(output):
    found, why = [], {}
    for text in output.splitlines():
        line, column, rest = LINE.fullmatch(text).groups()
        if step := FROM.fullmatch(rest):
            why[line, column] = step[1], int(step[2])
        elif verdict := VERDICT.fullmatch(rest):
            name = verdict[1] or verdict[2]
            found.append((int(line), name, *why[line, column]))
    return found


SOURCE = """package work

type point struct{ x, y int }

func Distance(x, y int) int {
	p := point{x, y}
	return p.x*p.x + p.y*p.y
}

func Ticks(times, step int) int {
	n, total := 0, 0
	for i := 0; i < times; i++ {
		n += step
		total += n
	}
	return total
}

type best struct {
	value int
	any   bool
}

func keep(b *best, value int) {
	if !b.any || value > b.value {
		b.value, b.any = value, true
	}
}

func Largest(values []int) int {
	var b best
	for _, v := range values {
		keep(&b, v)
	}
	return b.value
}

func Repeated(digits []int) int {
	var seen [10]int
	times := 0
	for _, d := range digits {
		seen[d]++
		if seen[d] == 2 {
			times++
		}
	}
	return times
}

func LetterAt(text string, i int) rune {
	for _, letter := range text {
		if i == 0 {
			return letter
		}
		i--
	}
	panic("the text is too short")
}
"""
