"""What exercise.py has to pass. Each case is a Go function, the random ones are new each time."""

import random

import pytest

import gcsim
import gcsim._escape.cost  # sealed with the rest
from gcsim.learn import exact, smallest

NODE, POINTER, SLICE, ANY = 48, 8, 24, 42
FRAME, IMPLICIT = 128 << 10, 64 << 10
HEAD = """package p

type Node struct {
	next *Node
	data []byte
	note any
}
"""
# name: (its Go type, bytes); how it is written where a Node, a *Node or a []byte is wanted: {field}
TYPES = {"Node": NODE, "*Node": POINTER, "[]byte": SLICE}
PACKAGE = {"g": "Node", "cache": "*Node"}
LOCAL = {"x": "Node", "y": "Node", "p": "*Node", "q": "*Node", "r": "*Node"}
LOCAL |= {"b": "[]byte", "c": "[]byte"}


def type_of(name):
    """Of made1, new1, array1 and k1: what their address gives."""
    kind = {"m": "[]byte", "n": "*Node", "a": "[]byte", "k": "any"}
    return PACKAGE.get(name) or LOCAL.get(name) or kind[name[0]]


class Program:
    """A Go function as values and flows, and as text."""

    def __init__(self, flows, sizes=()):
        self.flows, self.sizes = list(flows), dict(sizes)
        names = [n.lstrip("*") for target, _, source in flows for n in (target, source)]
        names = [n for n in dict.fromkeys([*names, *self.sizes]) if n != "return"]
        self.values = {n: (self.kind(n), self.size(n)) for n in names}

    def kind(self, name):
        made = {"k": "constant", "n": "new", "m": "new"}
        return "package" if name in PACKAGE else made.get(name[0], "var")

    def size(self, name):
        if name[0] in "ma":
            return self.sizes[name]
        return {"n": NODE, "k": POINTER}.get(name[0]) or TYPES[type_of(name)]

    def smaller(self):
        for i, (_, _, gone) in enumerate(self.flows):
            left = self.flows[:i] + self.flows[i + 1 :]
            yield Program(left, {n: s for n, s in self.sizes.items() if n[0] == "a" or n != gone})
        for name in self.sizes:
            if not any(name in flow for flow in self.flows):
                yield Program(self.flows, {n: s for n, s in self.sizes.items() if n != name})

    def line(self, target, sign, source):
        """A flow as Go writes it."""
        wanted = type_of(target.lstrip("*")) if target != "return" else "*Node"
        behind, given = target.startswith("*"), type_of(source)
        target = target.lstrip("*")
        if sign == "&":
            if source[0] == "m":
                what, given = f"make([]byte, {self.sizes[source]})", "[]byte"
            elif source[0] == "n":
                what, given = "new(Node)", "*Node"
            elif source[0] == "k":
                what, given = str(ANY), "any"
            else:
                array = source[0] == "a"
                what, given = (f"{source}[:]", "[]byte") if array else (f"&{source}", "*Node")
        elif sign == "*" and wanted != "Node":
            what = f"{source}.{'data' if wanted == '[]byte' else 'next'}"
        elif sign == "*":
            what, given = f"*{source}", "Node"
        elif given == "Node" and (wanted != "Node" or target == "return"):
            what, given = f"{source}.{'data' if wanted == '[]byte' else 'next'}", wanted
        else:
            what = source
        if target == "return":
            return f"return {what}"
        field = {"[]byte": ".data", "*Node": ".next", "any": ".note"}.get(given, "")
        if behind:
            return f"*{target} = {what}" if given == "Node" else f"{target}{field} = {what}"
        return f"{target}{field} = {what}" if wanted == "Node" else f"{target} = {what}"

    def source(self):
        """The Go text, and the line of each flow in it."""
        outside = [n for n in self.values if n in PACKAGE]
        inside = [n for n in self.values if self.kind(n) == "var"]
        returns = any(target == "return" for target, _, _ in self.flows)
        lines = [HEAD, *(f"var {n} {PACKAGE[n]}" for n in outside)]
        lines.append("\nfunc build() *Node {" if returns else "\nfunc build() {")
        for name in inside:
            is_array = name.startswith("a")
            lines.append(f"\tvar {name} {f'[{self.sizes[name]}]byte' if is_array else LOCAL[name]}")
        lines += [f"\t_ = {name}" for name in inside]
        at, text = [], "\n".join(lines)
        for flow in self.flows:
            text += "\n\t" + self.line(*flow)
            at.append(text.count("\n") + 1)
        return text + "\n}\n", at

    def really(self):
        """Where gcsim.escape says that each value must be, and what a real heap counts."""
        text, at = self.source()
        try:
            found = gcsim.escape(text)
        except gcsim.NotThereYetError as error:
            pytest.fail(f"this exercise cannot be judged here: {error}")
        want = {}
        for name, (kind, _) in self.values.items():
            want[name] = "data"
            if kind in ("var", "new"):
                i = next((i for i, f in enumerate(self.flows) if f[2] == name), None)
                variable = [v for v in found.verdicts if v.name == name and v.what == "variable"]
                made = (
                    [v for v in found.at(at[i]) if v.what == "expression"] if i is not None else []
                )
                (verdict,) = variable if kind == "var" else made
                want[name] = verdict.verdict
        objects = list(want.values()).count("heap")
        if objects and sum(size for _, size in self.values.values()) < 4096:  # larger takes longer
            counted = found.cost("build", calls=1).per_call()
            assert counted[0] == objects, "gcsim itself is wrong"
            text += f"a real heap counts {counted[0]} objects, {counted[1]:,} bytes, in a call\n"
        return want, text + (found.explain() if objects else "")


def wrong(exercise, program):
    want, text = program.really()
    told = f"values: {program.values}\nflows:  {program.flows}\n{text}"
    try:
        exact(exercise.places(dict(program.values), list(program.flows)), want, "places")
    except AssertionError as error:
        return f"{error}\n{told}"
    return None


def check(exercise, program):
    if wrong(exercise, program):
        program = smallest(program, lambda p: wrong(exercise, p))
        pytest.fail(wrong(exercise, program))


def random_program(seed):
    dice = random.Random(seed)
    names, sizes, flows = list(LOCAL), {}, []
    pointers, slices, nodes = ["p", "q", "r"], ["b", "c"], ["x", "y"]
    for number in range(1, 4):
        limit = dice.choice([FRAME, IMPLICIT])
        sizes[f"array{number}"] = dice.choice([64, limit, limit + 1, 2 * limit + 1])
    for made in range(1, dice.randrange(4, 14)):
        target = dice.choice([*names, "*p", "*q", "g", "cache", *pointers])
        wanted = type_of(target.lstrip("*"))
        if target[0] == "*" or wanted == "Node":
            wanted = dice.choice(["Node", "*Node", "[]byte", "any"])
        if wanted == "any":
            flows.append((target, "&", f"k{made}"))
        elif wanted == "Node":
            flows.append(
                (target, *dice.choice([("", dice.choice(nodes)), ("*", dice.choice(pointers))]))
            )
        else:
            own = pointers if wanted == "*Node" else slices
            array = f"array{dice.randrange(1, 4)}"
            fresh, old = (
                (f"new{made}", dice.choice([*nodes, "g"]))
                if own is pointers
                else (f"made{made}", array)
            )
            if fresh[0] == "m":
                sizes[fresh] = dice.choice([16, IMPLICIT, IMPLICIT + 1, FRAME])
            ways = [
                ("&", fresh),
                ("&", old),
                ("&", old),
                ("", dice.choice(own)),
                ("", dice.choice(nodes)),
            ]
            flows.append((target, *dice.choice([*ways, ("*", dice.choice(pointers))])))
    flows = [f for f in flows if f[0] != f[2]]
    if dice.random() < 0.7:
        flows.append(
            ("return", *dice.choice([("", "p"), ("", "q"), ("*", "r"), ("", "y"), ("&", "x")]))
        )
    used = {source for _, _, source in flows}
    return Program(flows, {n: s for n, s in sizes.items() if n[0] == "a" or n in used})


@pytest.mark.parametrize(
    ("kind", "size", "where"),
    [
        ("var", 8, "stack"),
        ("var", FRAME, "stack"),
        ("var", FRAME + 1, "heap"),
        ("new", 48, "stack"),
        ("new", IMPLICIT, "stack"),
        ("new", IMPLICIT + 1, "heap"),
        ("new", FRAME, "heap"),
        ("package", 8, "data"),
        ("package", 1 << 20, "data"),
        ("constant", 8, "data"),
        ("constant", 1 << 20, "data"),
    ],
)
def test_alone(exercise, kind, size, where):
    """new does not mean heap and var does not mean stack: size and flow decide."""
    exact(exercise.alone(kind, size), where, f"alone({kind!r}, {size:,})")


@pytest.mark.parametrize(
    "program",
    [
        Program([("p", "&", "x"), ("q", "", "p")]),
        Program([("p", "&", "x"), ("q", "", "p"), ("return", "", "q")]),
        Program([("q", "", "p"), ("p", "&", "x"), ("return", "", "q")]),
        Program([("cache", "&", "x")]),
        Program([("p", "&", "g"), ("return", "", "p")]),
        Program([("return", "&", "g")]),
        Program([("p", "&", "new1"), ("x", "", "p")]),
        Program([("p", "&", "x"), ("*p", "&", "y")]),
        Program([("p", "&", "x"), ("return", "*", "p")]),
        Program([("p", "&", "x"), ("x", "&", "new1"), ("return", "*", "p")]),
        Program([("x", "&", "k1"), ("return", "&", "x")]),
        Program([("x", "", "b"), ("b", "&", "array1"), ("return", "&", "x")], {"array1": 64}),
        Program([("r", "*", "q"), ("q", "", "p"), ("p", "&", "x"), ("return", "*", "r")]),
        Program([("x", "&", "y"), ("return", "", "x")]),
    ],
    ids=[
        "it stays", "returned", "order does not matter", "kept by the package", "data returned",
        "address of data", "new that stays", "stored behind a pointer", "what it points to",
        "what its target holds", "a constant in an interface", "what escapes takes along",
        "two pointers down", "a copy is returned",
    ],
)  # fmt: skip
def test_small_functions(exercise, program):
    """`go build -gcflags=-m` says so of these functions; nobody writes heap or stack in Go."""
    check(exercise, program)


@pytest.mark.parametrize("size", [FRAME, FRAME + 1])
def test_what_is_too_large_for_a_frame(exercise, size):
    """A frame is copied when its stack grows, so Go keeps large things out of it."""
    check(exercise, Program([("b", "&", "array1")], {"array1": size}))
    check(exercise, Program([("b", "&", "made1")], {"made1": size}))


@pytest.mark.gc_seeds(25)
def test_any_function(exercise, seed):
    """Rules of thumb (new, an interface, a returned pointer) are right half of the time."""
    check(exercise, random_program(seed))
