"""Random Go programs that compile, for comparing gcsim.escape with the installed compiler.

A program is a package of functions that call each other and move pointers through variables,
fields, slices, maps, channels, interfaces and literals. The same seed gives the same program.
"""

from __future__ import annotations

import random

HEAD = """package prog

type T struct {
	p *int
	q **int
	n int
	t *T
	s []*int
}

type I interface{ get(x *int) *int }

func (t *T) get(x *int) *int { t.p = x; return t.p }
func (t T) val(x *int) *int  { return x }

var (
	gp *int
	gt *T
	gs []*int
	gm = map[string]*int{}
	gc = make(chan *int, 4)
	ga any
	gi I
	gf func(*int) *int
)
"""

TYPES = ["int", "*int", "**int", "[]*int", "map[string]*int", "any", "T", "*T", "string", "[]byte",
         "func(*int) *int", "[3]*int", "I"]  # fmt: skip
GLOBALS = {"*int": ["gp"], "*T": ["gt"], "[]*int": ["gs"], "map[string]*int": ["gm"],
           "any": ["ga"], "I": ["gi"], "func(*int) *int": ["gf"]}  # fmt: skip


class Program:
    def __init__(self, seed: int, functions: int = 8):
        self.random = random.Random(seed)
        self.out: list[str] = [HEAD]
        self.count = 0
        self.functions: list[tuple[str, list[str], list[str]]] = []
        for i in range(functions):
            params = [self.random.choice(TYPES) for _ in range(self.random.randint(0, 3))]
            results = [self.random.choice(TYPES) for _ in range(self.random.randint(0, 2))]
            self.functions.append((f"f{i}", params, results))
        for function in self.functions:
            self.function(*function)

    def __str__(self) -> str:
        return "\n".join(self.out)

    def name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def function(self, name: str, params: list[str], results: list[str]) -> None:
        names = [(f"a{i}", t) for i, t in enumerate(params)]
        head = ", ".join(f"{n} {t}" for n, t in names)
        tail = f" ({', '.join(results)})" if results else ""
        self.out.append(f"func {name}({head}){tail} {{")
        self.block(list(names), 1, self.random.randint(2, 7), results)
        values = ", ".join(self.expr(t, names, 2) for t in results)
        self.out.append(f"\treturn {values}" if results else "")
        self.out.append("}")

    def block(
        self, names: list[tuple[str, str]], depth: int, count: int, results: list[str]
    ) -> None:
        tab = "\t" * depth
        for _ in range(count):
            kind = self.random.randrange(14)
            if kind < 4:
                type = self.random.choice(TYPES)
                name = self.name()
                if kind == 0:
                    self.out.append(f"{tab}var {name} {type}")
                else:
                    self.out.append(f"{tab}var {name} {type} = {self.expr(type, names, 2)}")
                self.out.append(f"{tab}_ = {name}")
                names.append((name, type))
            elif kind < 8:
                target, type = self.target(names)
                self.out.append(f"{tab}{target} = {self.expr(type, names, 2)}")
            elif kind == 8 and depth < 4:
                self.out.append(f"{tab}if {self.expr('int', names, 1)} > 2 {{")
                self.block(list(names), depth + 1, 2, results)
                self.out.append(f"{tab}}}")
            elif kind == 9 and depth < 4:
                name = self.name()
                head = self.random.choice(
                    [f"{name} := 0; {name} < 3; {name}++", f"{name} := range 3"]
                )
                self.out.append(f"{tab}for {head} {{")
                self.out.append(f"{tab}\t_ = {name}")
                self.block([*names, (name, "int")], depth + 1, 2, results)
                self.out.append(f"{tab}}}")
            elif kind == 10 and depth < 4:
                name = self.name()
                over = self.expr("[]*int", names, 1)
                self.out.append(f"{tab}for _, {name} := range {over} {{")
                self.block([*names, (name, "*int")], depth + 1, 2, results)
                self.out.append(f"{tab}\t_ = {name}")
                self.out.append(f"{tab}}}")
            elif kind == 11 and depth < 4:
                word = self.random.choice(["go", "defer", ""])
                self.out.append(f"{tab}{word} func() {{".replace("  ", " "))
                self.block(list(names), depth + 1, 2, [])
                self.out.append(f"{tab}}}()")
            elif kind == 12:
                name, params, _ = self.random.choice(self.functions)
                word = self.random.choice(["", "", "go ", "defer "])
                args = ", ".join(self.expr(t, names, 1) for t in params)
                self.out.append(f"{tab}{word}{name}({args})")
            elif kind == 13 and depth < 4:
                name = self.name()
                self.out.append(f"{tab}switch {name} := {self.expr('any', names, 1)}.(type) {{")
                for type in self.random.sample(["int", "*int", "T", "*T"], 2):
                    self.out.append(f"{tab}case {type}:")
                    self.block([*names, (name, type)], depth + 1, 1, results)
                    self.out.append(f"{tab}\t_ = {name}")
                self.out.append(f"{tab}default:")
                self.out.append(f"{tab}\t_ = {name}")
                self.out.append(f"{tab}}}")
            else:
                self.out.append(f"{tab}gc <- {self.expr('*int', names, 1)}")

    def target(self, names: list[tuple[str, str]]) -> tuple[str, str]:
        """Something to assign to, and its type."""
        found = [(n, t) for n, t in names] + [(g, t) for t, gs in GLOBALS.items() for g in gs]
        for n, t in list(found):
            if t in ("T", "*T"):
                found += [(f"{n}.p", "*int"), (f"{n}.t", "*T"), (f"{n}.q", "**int"),
                          (f"{n}.s", "[]*int"), (f"{n}.n", "int")]  # fmt: skip
            elif t in ("**int", "*int"):
                found.append((f"*{n}", t[1:]))
            elif t == "[]*int":
                found.append((f"{n}[0]", "*int"))
            elif t == "[3]*int":
                found.append((f"{n}[1]", "*int"))
            elif t == "map[string]*int":
                found.append((f'{n}["k"]', "*int"))
        return self.random.choice(found)

    def expr(self, type: str, names: list[tuple[str, str]], depth: int) -> str:
        own = [n for n, t in names if t == type] + GLOBALS.get(type, [])
        if own and (depth <= 0 or self.random.random() < 0.45):
            return self.random.choice(own)
        e = lambda t: self.expr(t, names, depth - 1)  # noqa: E731
        choices = self.made(type, names, depth, e)
        if depth <= 0:
            return choices[0]()
        calls = [f for f in self.functions if f[2] == [type]]
        if calls and self.random.random() < 0.2:
            name, params, _ = self.random.choice(calls)
            return f"{name}({', '.join(e(t) for t in params)})"
        return self.random.choice(choices)()

    def made(self, type, names, depth, e):  # type: ignore[no-untyped-def]
        """Ways to make a value of the type; the first needs nothing else."""
        variables = {t: [n for n, u in names if u == t] for t in TYPES}

        def pick(t: str) -> str:
            return self.random.choice(variables[t])

        if type == "int":
            out = [lambda: "7", lambda: f"{e('int')} + 1", lambda: f"len({e('string')})",
                   lambda: f"*({e('*int')})", lambda: f"({e('*T')}).n"]  # fmt: skip
        elif type == "*int":
            out = [lambda: "new(int)", lambda: f"({e('*T')}).p", lambda: f"*({e('**int')})",
                   lambda: f"({e('[]*int')})[0]", lambda: f'({e("map[string]*int")})["k"]',
                   lambda: "<-gc", lambda: f"({e('func(*int) *int')})({e('*int')})",
                   lambda: f"({e('any')}).(*int)", lambda: f"({e('*T')}).get({e('*int')})",
                   lambda: f"({e('I')}).get({e('*int')})", lambda: f"T{{}}.val({e('*int')})"]  # fmt: skip
            if variables["int"]:
                out.append(lambda: f"&{pick('int')}")
            if variables["T"]:
                out.append(lambda: f"&{pick('T')}.n")
        elif type == "**int":
            out = [lambda: "new(*int)", lambda: f"({e('*T')}).q"]
            if variables["*int"]:
                out.append(lambda: f"&{pick('*int')}")
        elif type == "[]*int":
            out = [lambda: "[]*int{nil, nil}", lambda: f"[]*int{{{e('*int')}, {e('*int')}}}",
                   lambda: f"append({e('[]*int')}, {e('*int')})", lambda: f"make([]*int, {e('int')})",
                   lambda: "make([]*int, 3)", lambda: f"({e('*T')}).s", lambda: f"({e('[]*int')})[1:]"]  # fmt: skip
            if variables["[3]*int"]:
                out.append(lambda: f"{pick('[3]*int')}[:]")
        elif type == "map[string]*int":
            out = [lambda: "map[string]*int{}", lambda: f'map[string]*int{{"a": {e("*int")}}}',
                   lambda: "make(map[string]*int)"]  # fmt: skip
        elif type == "any":
            out = [lambda: "any(nil)", lambda: f"any({e('int')})", lambda: f"any({e('*int')})",
                   lambda: f"any({e('T')})", lambda: f"any({e('string')})"]  # fmt: skip
        elif type == "T":
            out = [lambda: "T{}", lambda: f"T{{p: {e('*int')}}}", lambda: f"*({e('*T')})",
                   lambda: f"T{{t: {e('*T')}, n: {e('int')}}}"]  # fmt: skip
        elif type == "*T":
            out = [lambda: "&T{}", lambda: f"&T{{p: {e('*int')}}}", lambda: "new(T)",
                   lambda: f"({e('*T')}).t"]  # fmt: skip
            if variables["T"]:
                out.append(lambda: f"&{pick('T')}")
        elif type == "string":
            out = [lambda: '"s"', lambda: f"{e('string')} + {e('string')}",
                   lambda: f"string({e('[]byte')})", lambda: f"({e('string')})[1:]"]  # fmt: skip
        elif type == "[]byte":
            out = [lambda: "[]byte(nil)", lambda: f"[]byte({e('string')})", lambda: "make([]byte, 9)",
                   lambda: f"append({e('[]byte')}, ({e('string')})...)"]  # fmt: skip
        elif type == "[3]*int":
            out = [lambda: "[3]*int{}", lambda: f"[3]*int{{{e('*int')}}}"]
        elif type == "I":
            out = [lambda: "I(nil)", lambda: f"I({e('*T')})"]
        else:
            inner = self.name()
            out = [lambda: f"func({inner} *int) *int {{ return {inner} }}",
                   lambda: f"func({inner} *int) *int {{ return "
                   f"{self.expr('*int', [*names, (inner, '*int')], depth - 1)} }}",
                   lambda: f"({e('*T')}).get", lambda: f"({e('I')}).get"]  # fmt: skip
        return out
