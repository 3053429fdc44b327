"""What exercise.py has to pass. Packages to read and arguments are random, new each time."""

import ast
import random
import re
from functools import cache
from pathlib import Path

import pytest

import gcsim
import gcsim._go_library  # sealed with the rest
from gcsim._conform_recipes import _NAMED, Machine, NotReplayedError, Scope, Types, _Return
from gcsim._go_code import parse_expression, parse_statements, parse_type
from gcsim._go_escapes import Escapes
from gcsim.learn import exact, smallest

SIGNATURES = {
    "Distance": "func(int, int) int",
    "Ticks": "func(int, int) int",
    "Largest": "func([]int) int",
    "Repeated": "func([]int) int",
    "LetterAt": "func(string, int) rune",
}
STRUCT = re.compile(r"^type (\w+) (struct\s*\{.*?\})", re.MULTILINE | re.DOTALL)


def escape(text):
    try:
        return gcsim.escape(text)
    except gcsim.NotThereYetError as error:
        pytest.fail(f"this exercise cannot be judged here: {error}")
    except gcsim.GoSourceError as error:
        pytest.fail(f"SOURCE is not Go: {error}")


# ---- reading ----

_COUNTER = "\t{x} := 0\n\treturn func() int {{\n\t\t{x} += by\n\t\treturn {x}\n\t}}"
_MAKES = "\t{x} := make([]int, 9000)\n\t{y} := make([]int, 9)\n\treturn {x}[k] + {y}[k]"
TEMPLATES = (
    "func {f}(n int) *int {{\n\t{x} := n\n\t{y} := &{x}\n\treturn {y}\n}}",
    "func {f}(n int) int {{\n\t{x} := n\n\t{y} := &{x}\n\treturn *{y}\n}}",
    "func {f}(by int) func() int {{\n" + _COUNTER + "\n}}",
    "func {f}({x} *int) **int {{\n\treturn &{x}\n}}",
    "func {f}({x} *int) *int {{\n\treturn {x}\n}}",
    "func {f}({x} **int) {{\n\t{y} := 1\n\t*{x} = &{y}\n}}",
    "func {f}({x} chan *int) {{\n\t{y} := 2\n\t{x} <- &{y}\n}}",
    "func {f}(k int) int {{\n" + _MAKES + "\n}}",
    "func {f}() []*int {{\n\t{x}, {y} := 1, 2\n\treturn []*int{{&{x}, &{y}}}\n}}",
    "func {f}({x} int) {{\n\tsink = {x}\n}}",
    'func {f}({x} map[string]*int) {{\n\t{y} := new(int)\n\t{x}["a"] = {y}\n}}',
    "func {f}({x} []*int) []*int {{\n\tvar {y} int\n\n\treturn append({x}, &{y})\n}}",
)
NAMES = ("a", "total", "last", "found", "next", "node", "key", "b", "rest", "first", "old")


class Output:
    """A package, what the compiler tells of it, and what is to be read there."""

    def __init__(self, functions):
        self.functions = list(functions)
        text = "\n\n".join(["package work", "var sink any", *self.functions]) + "\n"
        found = escape(text.encode())
        self.text = "\n".join(map(str, found.explained))
        self.want = []
        for line in found.diagnostics:
            if line.kind in ("moved_to_heap", "escapes"):
                (v,) = [v for v in found.at(line.line, line.col) if v.verdict == "heap"]
                why, at = "too large for stack", v.line  # no flow leads there
                if v.steps:
                    _, why, at, _ = v.steps[-1].notes[-1]
                name = line.text.removeprefix("moved to heap: ").removesuffix(" escapes to heap")
                self.want.append((v.line, name, why, at))

    def smaller(self):
        for i in range(len(self.functions)):
            yield Output(self.functions[:i] + self.functions[i + 1 :])


def random_output(seed):
    dice = random.Random(seed)
    functions = []
    for number in range(dice.randrange(2, 8)):
        x, y = dice.sample(NAMES, 2)
        functions.append(dice.choice(TEMPLATES).format(f=f"f{number}", x=x, y=y))
        functions[-1] = "// a comment\n" * dice.randrange(3) + functions[-1]
    return Output(functions)


def misread(exercise, output):
    try:
        exact(exercise.read(output.text), output.want, "read")
    except AssertionError as error:
        return f"{error}\nThe output was:\n{output.text}"
    return None


def check(exercise, output):
    if misread(exercise, output):
        output = smallest(output, lambda o: misread(exercise, o))
        pytest.fail(misread(exercise, output))


@pytest.mark.parametrize("template", range(len(TEMPLATES)))
def test_read_one_function(exercise, template):
    """These lines are all that Go tells of its decision: who can read them need not guess."""
    check(exercise, Output([TEMPLATES[template].format(f="F", x="x", y="y")]))


@pytest.mark.gc_seeds(10)
def test_read_any_package(exercise, seed):
    """A real build prints thousands of lines; those that cost memory are few among them."""
    check(exercise, random_output(seed))


# ---- rewriting ----


@cache
def handed_out():
    """SOURCE as the exercise has it."""
    for node in ast.parse(Path(__file__).with_name("exercise.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "SOURCE":
            return node.value.value
    raise LookupError("SOURCE")


def source(exercise):
    text = exercise.SOURCE
    if type(text) is not str:
        pytest.fail(f"SOURCE: expected a str, found {type(text).__name__}")
    if any(s.op != "assign" or s.c[0].op != "closure" for s in statements(text)):
        pytest.fail("SOURCE has something beside types and functions: an import, a variable?")
    return text


def statements(text):
    """The functions of a package, each as a closure with a name."""
    text = STRUCT.sub("", text[text.find("\n") + 1 :])
    try:
        return parse_statements(re.sub(r"^func (\w+)\(", r"\1 := func(", text, flags=re.MULTILINE))
    except gcsim.DumpFormatError as error:
        pytest.fail(f"SOURCE has something beside types and functions: {error}")


class Go(Machine):
    """Carries out a package's functions: here with several results, too."""

    def __init__(self, heap, text):
        super().__init__(heap)
        named = _NAMED | dict(STRUCT.findall(text))
        self.types, self.named = Types(named), {n: parse_type(t) for n, t in named.items()}
        body = statements(text)
        self.escapes, self.scope = Escapes(body), Scope()
        self.run(body, self.scope)

    def result(self, call):
        return self.value(self.scope, parse_expression(call), False).x

    def do_return(self, s, scope):
        self.returned = [self.value(scope, x, True) for x in s.a]
        raise _Return(self.returned)

    def assign_results(self, s, scope):
        call = s.c[0]
        if call.op != "call" or call.a.op != "name" or scope.find(call.a.a) is None:
            return super().assign_results(s, scope)
        self.value(scope, call, False)
        for place, value in zip(s.b, self.returned, strict=True):
            if s.a == ":=" and place.op == "name" and place.a not in scope:
                self.declare(scope, place.a, value.type, value)
            else:
                self.assign(scope, place, value)


def results(text, calls):
    """What the calls give, one after the other in one run of the package."""
    found, call = [], "SOURCE"
    with gcsim.Heap(gogc=None) as heap:
        try:
            go = Go(heap, text)
            for call in calls:
                found.append(go.result(call))
        except NotReplayedError as error:
            pytest.fail(f"{call}: only simple Go is carried out here, not {error}")
        except Exception as error:
            pytest.fail(f"{call}: not carried out to its end: {type(error).__name__}: {error}")
        return found


CALLS = ["Distance(3, -4)", "Distance(0, 0)", "Ticks(3, 5)", "Ticks(0, 1)", "Ticks(1, 1)"]
CALLS += ["Largest([]int{-5, -7})", "Largest([]int{1, 3, 2})", "Repeated([]int{9, 9, 9, 0, 0})"]
CALLS += ['LetterAt("aß€z", 3)', 'LetterAt("aß€z", 0)', 'LetterAt("aß€z", 2)', "Repeated([]int{})"]


def random_calls(seed):
    dice = random.Random(seed)

    def ints(least, most, n):
        return "[]int{" + ", ".join(str(dice.randint(least, most)) for _ in range(n)) + "}"

    yield from CALLS
    for _ in range(3):
        yield f"Distance({dice.randint(-99, 99)}, {dice.randint(-99, 99)})"
        yield f"Ticks({dice.randrange(9)}, {dice.randint(-9, 9)})"
        yield f"Largest({ints(-99, dice.choice([-1, 99]), dice.randrange(1, 9))})"
        yield f"Repeated({ints(0, 9, dice.randrange(25))})"
        text = "".join(dice.choice("aeß€z") for _ in range(dice.randrange(1, 12)))
        yield f'LetterAt("{text}", {dice.randrange(len(text))})'


def test_the_same_functions(exercise):
    """Who calls a function does not want to change because it allocates less."""
    lines = [f"var _ {form} = {name}" for name, form in SIGNATURES.items()]
    escape("\n".join([source(exercise), *lines, ""]))


def test_nothing_escapes(exercise):
    """Each allocation that is gone is one that the collector need not find, mark and sweep."""
    told = []
    for v in escape(source(exercise)).verdicts:
        if v.verdict == "heap" and not v.static:
            told.append(f"line {v.line}: {v.why}")
        elif v.what == "expression" and v.size is None:
            told.append(f"line {v.line}: only the run knows the size of {v.name}")
    if told:
        pytest.fail("this may still allocate:\n" + "\n".join(told))


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.gc_seeds(4)
def test_the_same_results(exercise, name, seed):
    """A function that allocates nothing and does something else is no improvement."""
    calls = [call for call in random_calls(seed) if call.startswith(name)]
    want, got = results(handed_out(), calls), results(source(exercise), calls)
    for call, a, b in zip(calls, got, want, strict=True):
        exact(a, b, call)
