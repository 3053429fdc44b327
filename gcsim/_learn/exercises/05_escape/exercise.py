"""Read an escape verdict, and remove an allocation. README.md says how; replace todo(...)."""

from gcsim.learn import todo


def read(output: str) -> list[tuple[int, str, str, int]]:
    """What is on the heap, of the output of -m=2, in the order of the verdicts.

    Of each: the line where it is made, its name, why it escapes (the compiler's word in the last
    `from` line about it), and the line where that happens: (4, "n", "reference", 5).
    """
    todo("read the lines")


# Rewrite it so that nothing escapes: same exported functions, same results.
SOURCE = """package work

type point struct{ x, y int }

func newPoint(x, y int) *point {
	return &point{x, y}
}

// Distance is the square of how far (x, y) is from (0, 0).
func Distance(x, y int) int {
	p := newPoint(x, y)
	return p.x*p.x + p.y*p.y
}

func counter(step int) func() int {
	n := 0
	return func() int {
		n += step
		return n
	}
}

// Ticks adds up what a counter shows.
func Ticks(times, step int) int {
	next, total := counter(step), 0
	for i := 0; i < times; i++ {
		total += next()
	}
	return total
}

type best struct{ value *int }

func keep(b *best, value *int) {
	if b.value == nil || *value > *b.value {
		b.value = value
	}
}

// Largest is the largest of one or more values.
func Largest(values []int) int {
	var b best
	for _, v := range values {
		keep(&b, &v)
	}
	return *b.value
}

// Repeated says how many digits (0 to 9) occur more than once.
func Repeated(digits []int) int {
	seen, times := map[int]int{}, 0
	for _, d := range digits {
		seen[d]++
		if seen[d] == 2 {
			times++
		}
	}
	return times
}

// LetterAt is letter i of a text that is longer.
func LetterAt(text string, i int) rune {
	letters := []rune(text)
	return letters[i]
}
"""
