"""Mistakes that the tests of 05_escape must notice: edits of solution.py, or whole files."""

_SEEN = "\tvar seen [10]int\n\ttimes := 0\n"
_LOOP = "\tfor i := 0; i < times; i++ {\n\t\tn += step\n\t\ttotal += n\n\t}\n"

MUTANTS = {
    "empty body": "SOURCE = ''\ndef read(output): pass\n",
    "nothing is on the heap": [("    return found\n", "    return []\n")],
    "any line with the word heap": [
        ("VERDICT.fullmatch(rest)", "re.search('(heap): (.*)|(.*) escapes to heap', rest)")
    ],
    "variables only": [("moved to heap: (.*)|(.*) escapes to heap", "moved to heap: (.*)|(never)")],
    "the first reason": [
        ("why[line, column] = step[1], int(step[2])", "why.setdefault((line, column), (step[1], int(step[2])))")
    ],
    "where it is made": [("step[1], int(step[2])", "step[1], int(line)")],
    "the reason of the line above": [("*why[line, column]", "*[*why.values()][-1]")],
    "numbers as text": [("(int(line), name", "(line, name")],
    "an empty function": [("\tp := point{x, y}\n\treturn p.x*p.x + p.y*p.y\n", "\treturn 0\n")],
    "another parameter": [
        ("func LetterAt(text string, i int) rune", "func LetterAt(text []rune, i int) rune"),
    ],
    "the caller brings the memory": [("func Repeated(digits []int) int {\n\tvar seen [10]int\n", "func Repeated(digits, seen []int) int {\n")],
    "a variable of the package": [
        (_SEEN, "\ttimes := 0\n"),
        ("type best struct", "var seen [10]int\n\ntype best struct"),
    ],
    "a map that does not escape": [(_SEEN, "\tseen, times := map[int]int{}, 0\n")],
    "a slice of unknown size": [("var seen [10]int", "seen := make([]int, 10+len(digits))")],
    "a digit is forgotten": [("seen [10]int", "seen [9]int")],
    "bytes for letters": [
        (
            "\tfor _, letter := range text {\n\t\tif i == 0 {\n\t\t\treturn letter\n\t\t}\n\t\ti--\n\t}\n\tpanic(\"the text is too short\")\n",
            "\treturn rune(text[i])\n",
        )
    ],
    "the largest is never negative": [("!b.any || ", "")],
    "one tick too few": [(_LOOP, _LOOP.replace("i := 0", "i := 1"))],
    "the counter stays": [
        ("\tn, total := 0, 0\n", "\tp, total := new(int), 0\n\tkept = p\n\tn := *p\n"),
        ("type best struct", "var kept *int\n\ntype best struct"),
    ],
    "no Go": [("func Ticks", "func Ticks func")],
}  # fmt: skip
