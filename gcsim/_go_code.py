"""Go's types, expressions and simple statements as trees: for the code in golden files.

This is a reader, not a compiler: no packages, no type checking. A tree is a `Node`: an operation's
name and its parts. What a file writes in single quotes, as CSV does where Go has double ones, is a
string if it is longer than one character or `strings` says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from gcsim._errors import DumpFormatError

__all__ = ["Node", "parse_expression", "parse_statements", "parse_type"]


class Node(NamedTuple):
    """op: what it is; a, b, c, d: its parts, by op:

    types       named(name) pointer(T) slice(T) array(n, T) map(K, V) chan(T) func(params, results)
                struct([(name, T)]) interface()
    values      int, float, imaginary, string, rune(value) name(name) dot(x, name) call(f, args,
                spread) index(x, [i]) cut(x, low, high, max) unary(op, x) binary(op, x, y)
                literal(T, [(key, value)]) closure(func type, body) assert(x, T)
    statements  expression(x) assign(op, left, right) step(x, op) var(names, T, values) for(init,
                condition, post, body) range(left, define, x, body) if(init, condition, then, else)
                switch(init, tag, [(values or None, body)]) define(name, T) return(values)
                typeswitch(init, name, x, [(types or None, body)])
                defer(call) go(call) block(body) send(channel, x) leave(word)
    """

    op: str
    a: Any = None
    b: Any = None
    c: Any = None
    d: Any = None
    e: Any = None


_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|//[^\n]*|/\*.*?\*/)|(?P<line>\n)
    |(?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
        |(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?i?)
    |(?P<word>[^\W\d]\w*)
    |(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`|'(?:\\.|[^'\\])*')
    |(?P<mark><<=|>>=|&\^=|\.\.\.|:=|\+\+|--|==|!=|<=|>=|&&|\|\||<-|<<|>>|&\^
        |[-+*/%&|^<>=!]=?|[()\[\]{},;.:~])""",
    re.VERBOSE | re.DOTALL,
)
_ENDS = frozenset((")", "]", "}", "++", "--"))
_KEYWORDS = frozenset(
    [
        "break",
        "case",
        "chan",
        "const",
        "continue",
        "default",
        "defer",
        "else",
        "fallthrough",
        "for",
        "func",
        "go",
        "goto",
        "if",
        "import",
        "interface",
        "map",
        "package",
        "range",
        "return",
        "select",
        "struct",
        "switch",
        "type",
        "var",
    ]
)
_BINARY = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-", "|", "^"), 4),
    **dict.fromkeys(("*", "/", "%", "<<", ">>", "&", "&^"), 5),
}
_ASSIGN = frozenset(
    ["=", ":=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "&^="]
)
_ESCAPES = {
    "a": 7,
    "b": 8,
    "f": 12,
    "n": 10,
    "r": 13,
    "t": 9,
    "v": 11,
    "\\": 92,
    "'": 39,
    '"': 34,
}


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def _tokens(text: str) -> Iterator[_Token]:
    at, last = 0, _Token("mark", ";", 0)
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise DumpFormatError(f"not Go: {text[at : at + 20]!r} in {text[:60]!r}")
        kind = str(found.lastgroup)
        token = _Token(kind, found.group(), at)
        at = found.end()
        if kind == "space":
            continue
        if kind == "line":
            ends = last.kind in ("number", "string") or last.text in _ENDS
            ends |= last.kind == "word" and (
                last.text not in _KEYWORDS or last.text in ("return", "break", "continue")
            )
            if not ends:
                continue
            token = _Token("mark", ";", at)
        last = token
        yield token
    yield _Token("end", "", at)


def unquoted(text: str) -> str:
    """The bytes of a string or rune as text, each byte of an escape a character."""
    if text[0] == "`":
        return text[1:-1]
    out: list[str] = []
    body, at = text[1:-1], 0
    while at < len(body):
        if body[at] != "\\":
            out.append(body[at])
            at += 1
            continue
        mark = body[at + 1]
        digits = {"x": 2, "u": 4, "U": 8}.get(mark)
        if digits:
            out.append(chr(int(body[at + 2 : at + 2 + digits], 16)))
            at += 2 + digits
        elif mark in "01234567":
            out.append(chr(int(body[at + 1 : at + 4], 8)))
            at += 4
        else:
            out.append(chr(_ESCAPES[mark]))
            at += 2
    return "".join(out)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = 0
        self.headers = 0  # in the header of a for or if a brace opens the body

    # --- tokens

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def peek(self, *texts: str) -> bool:
        return self.token.kind in ("mark", "word") and self.token.text in texts

    def take(self, *texts: str) -> bool:
        if self.peek(*texts):
            self.at += 1
            return True
        return False

    def want(self, text: str) -> None:
        if not self.take(text):
            self.fail(f"{text!r} is missing")

    def fail(self, why: str) -> Any:
        near = self.text[self.token.at : self.token.at + 20]
        raise DumpFormatError(f"not Go: {why} before {near!r} in {self.text[:80]!r}")

    def word(self) -> str:
        if self.token.kind != "word" or self.token.text in _KEYWORDS:
            self.fail("a name is missing")
        self.at += 1
        return self.tokens[self.at - 1].text

    # --- types

    def type(self) -> Node:
        if self.take("*"):
            return Node("pointer", self.type())
        if self.take("("):
            inside = self.type()
            self.want(")")
            return inside
        if self.take("["):
            if self.take("]"):
                return Node("slice", self.type())
            count = Node("name", "...") if self.take("...") else self.expression()
            self.want("]")
            return Node("array", count, self.type())
        if self.take("map"):
            self.want("[")
            key = self.type()
            self.want("]")
            return Node("map", key, self.type())
        if self.take("<-"):
            self.want("chan")
            return Node("chan", self.type())
        if self.take("chan"):
            self.take("<-")
            return Node("chan", self.type())
        if self.take("func"):
            return self.signature()
        if self.take("struct"):
            return self.struct()
        if self.take("interface"):
            self.want("{")
            while not self.take("}"):
                self.at += 1
                if self.token.kind == "end":
                    self.fail("'}' is missing")
            return Node("interface")
        name = self.word()
        if self.take("."):
            name += "." + self.word()
        following = self.tokens[min(self.at + 1, len(self.tokens) - 1)].text
        if self.peek("[") and following != "]" and not following.isdigit():
            self.take("[")  # type arguments
            arguments = [self.type()]
            while self.take(","):
                arguments.append(self.type())
            self.want("]")
            return Node("named", name, arguments)
        return Node("named", name)

    def is_type(self) -> bool:
        return self.peek("[", "map", "chan", "struct", "interface", "func", "*")

    def struct(self) -> Node:
        self.want("{")
        fields: list[tuple[str, Node]] = []
        while not self.take("}"):
            if self.peek("*"):
                embedded = self.type()
                fields.append((embedded.a.a, embedded))
            else:
                names = [self.word()]
                while self.take(","):
                    names.append(self.word())
                if self.peek(";", "}", "."):
                    name = names[0]
                    if self.take("."):
                        name += "." + self.word()
                    fields.append((name.rsplit(".", 1)[-1], Node("named", name)))
                else:
                    kind = self.type()
                    fields += [(name, kind) for name in names]
            self.take(";")
        return Node("struct", fields)

    def signature(self) -> Node:
        parameters = self.parameters()
        if self.peek("("):
            return Node("func", parameters, self.parameters())
        if self.peek("{", ";", ")", ",", "=", ":=", "]", "}") or self.token.kind in (
            "end",
            "string",
        ):
            return Node("func", parameters, [])
        return Node("func", parameters, [("", self.type())])

    def parameters(self) -> list[tuple[str, Node]]:
        """(name or "", type): names wait for the type that follows them."""
        self.want("(")
        parts: list[tuple[Node, Node | None]] = []
        while not self.take(")"):
            self.take("...")
            first = self.type()
            self.take("...")
            second = None if self.peek(",", ")") else self.type()
            parts.append((first, second))
            self.take(",")
        if not any(second for _, second in parts):
            return [("", first) for first, _ in parts]
        out: list[tuple[str, Node]] = []
        kind: Node | None = None
        for first, second in reversed(parts):
            kind = second or kind
            out.append((first.a, kind or first))
        return out[::-1]

    # --- expressions

    def expression(self, least: int = 1) -> Node:
        left = self.unary()
        while self.token.kind == "mark" and _BINARY.get(self.token.text, 0) >= least:
            operation = self.token.text
            self.at += 1
            left = Node("binary", operation, left, self.expression(_BINARY[operation] + 1))
        return left

    def unary(self) -> Node:
        for mark in ("-", "+", "!", "^", "&", "*", "<-"):
            if self.token.kind == "mark" and self.take(mark):
                return Node("unary", mark, self.unary())
        return self.primary()

    def primary(self) -> Node:
        x = self.operand()
        while True:
            if self.take("."):
                if self.take("("):
                    kind = Node("name", "type") if self.take("type") else self.type()
                    self.want(")")
                    x = Node("assert", x, kind)
                else:
                    x = Node("dot", x, self.word())
            elif self.peek("("):
                x = self.call(x)
            elif self.peek("["):
                x = self.index(x)
            elif self.peek("{") and self.literal_type(x) and not self.headers:
                x = self.literal(self.literal_type(x))
            else:
                return x

    def literal_type(self, x: Node) -> Node | None:
        if x.op == "type":
            kind: Node = x.a
            return kind
        if x.op == "name":
            return Node("named", x.a)
        if x.op == "dot" and x.a.op == "name":
            return Node("named", f"{x.a.a}.{x.b}")
        if x.op == "index" and x.a.op in ("name", "dot"):
            inside = self.literal_type(x.a)
            arguments = [self.literal_type(i) or i for i in x.b]
            return Node("named", inside.a, arguments) if inside else None
        return None

    def operand(self) -> Node:
        kind, text, _ = self.token
        if kind == "number":
            self.at += 1
            plain = text.replace("_", "")
            if plain.endswith("i"):
                return Node("imaginary", float(plain[:-1]))
            if plain[:2].lower() in ("0x", "0b", "0o"):
                return Node("int", int(plain, 0))
            if any(c in plain for c in ".eE"):
                return Node("float", float(plain))
            return Node("int", int(plain, 8 if plain[0] == "0" and len(plain) > 1 else 10))
        if kind == "string":
            self.at += 1
            return Node("rune" if text[0] == "'" else "string", unquoted(text))
        if self.take("("):
            saved, self.headers = self.headers, 0
            inside = Node("type", self.type()) if self.is_type() else self.expression()
            if self.peek(")") and inside.op == "type" and inside.a.op == "pointer":
                pass
            self.headers = saved
            self.want(")")
            return inside
        if self.take("func"):
            signature = self.signature()
            if not self.peek("{"):
                return Node("type", signature)
            saved, self.headers = self.headers, 0
            body = self.block()
            self.headers = saved
            return Node("closure", signature, body)
        if self.is_type():
            inside = Node("type", self.type())
            if self.peek("{"):
                return self.literal(inside.a)
            return inside
        return Node("name", self.word())

    def call(self, f: Node) -> Node:
        self.want("(")
        saved, self.headers = self.headers, 0
        arguments, spread = [], False
        while not self.take(")"):
            arguments.append(self.argument())
            spread |= self.take("...")
            if not self.peek(")"):
                self.want(",")
        self.headers = saved
        return Node("call", f, arguments, spread)

    def argument(self) -> Node:
        """A value, or a type: of make, new and conversions."""
        if self.peek("[", "map", "chan", "struct", "interface"):
            kind = self.type()
            x = self.literal(kind) if self.peek("{") else Node("type", kind)
            return self.rest(x)
        if self.peek("*") and self.tokens[self.at + 1].kind == "word":
            mark = self.at
            kind = self.type()
            if self.peek(",", ")"):
                return Node("type", kind)
            self.at = mark
        return self.expression()

    def rest(self, x: Node) -> Node:
        """What comes behind an operand that has been read."""
        while True:
            if x.op == "type" and self.peek("("):
                x = self.call(x)
            elif self.peek("["):
                x = self.index(x)
            elif self.take("."):
                x = Node("dot", x, self.word())
            else:
                break
        while self.token.kind == "mark" and self.token.text in _BINARY:
            operation = self.token.text
            self.at += 1
            x = Node("binary", operation, x, self.expression(_BINARY[operation] + 1))
        return x

    def index(self, x: Node) -> Node:
        self.want("[")
        saved, self.headers = self.headers, 0
        parts: list[Node | None] = [None]
        colons = commas = 0
        while not self.take("]"):
            if self.take(":"):
                colons += 1
                parts.append(None)
            elif self.take(","):
                commas += 1
                parts.append(None)
            else:
                parts[-1] = self.argument()
        self.headers = saved
        if colons:
            return Node("cut", x, *[*parts, None, None][:3])
        return Node("index", x, parts)

    def literal(self, kind: Node | None) -> Node:
        self.want("{")
        saved, self.headers = self.headers, 0
        parts: list[tuple[Node | None, Node]] = []
        while not self.take("}"):
            value = self.literal(None) if self.peek("{") else self.expression()
            key = None
            if self.take(":"):
                key, value = (
                    value,
                    self.literal(None) if self.peek("{") else self.expression(),
                )
            parts.append((key, value))
            self.take(";")
            if not self.peek("}"):
                self.want(",")
                self.take(";")
        self.headers = saved
        return Node("literal", kind, parts)

    # --- statements

    def block(self) -> list[Node]:
        self.want("{")
        body = self.statements("}")
        self.want("}")
        return body

    def statements(self, end: str) -> list[Node]:
        out: list[Node] = []
        while self.token.kind != "end" and not self.peek(end):
            if self.take(";"):
                continue
            out.append(self.statement())
            if self.token.kind != "end" and not self.peek(end):
                self.want(";")
        return out

    def statement(self) -> Node:
        if self.peek("{"):
            return Node("block", self.block())
        if self.take("var"):
            return self.variable()
        if self.take("for"):
            return self.loop()
        if self.take("if"):
            return self.condition()
        if self.take("return"):
            values = [] if self.peek(";", "}") or self.token.kind == "end" else self.list()
            return Node("return", values)
        if self.take("defer"):
            return Node("defer", self.expression())
        if self.take("go"):
            return Node("go", self.expression())
        for word in ("break", "continue"):
            if self.take(word):
                return Node("leave", word)
        if self.take("switch"):
            return self.switch()
        if self.take("type"):
            return Node("define", self.word(), self.type())
        if self.take("const"):
            return self.variable()
        if self.peek("select", "goto"):
            return Node("leave", self.fail(f"{self.token.text} is not read"))
        return self.simple()

    def list(self) -> list[Node]:
        out = [self.expression()]
        while self.take(","):
            out.append(self.expression())
        return out

    def simple(self) -> Node:
        left = self.list()
        if self.token.kind == "mark" and self.token.text in _ASSIGN:
            operation = self.token.text
            self.at += 1
            if self.take("range"):
                return Node("range", left, operation == ":=", self.expression())
            return Node("assign", operation, left, self.list())
        if self.peek("++", "--"):
            self.at += 1
            return Node("step", left[0], self.tokens[self.at - 1].text)
        if self.take("<-"):
            return Node("send", left[0], self.expression())
        return Node("expression", left[0])

    def variable(self) -> Node:
        names = [self.word()]
        while self.take(","):
            names.append(self.word())
        kind = None if self.peek("=") else self.type()
        return Node("var", names, kind, self.list() if self.take("=") else [])

    def loop(self) -> Node:
        self.headers += 1
        init = condition = post = None
        if self.take("range"):
            ranged = Node("range", [], False, self.expression())
            self.headers -= 1
            return ranged._replace(d=self.block())
        if not self.peek("{"):
            if not self.peek(";"):
                init = self.simple()
            if init is not None and init.op == "range":
                self.headers -= 1
                return init._replace(d=self.block())
            if self.take(";"):
                condition = None if self.peek(";") else self.expression()
                self.want(";")
                post = None if self.peek("{") else self.simple()
            elif init is not None:
                condition = init.a
                init = None
        self.headers -= 1
        return Node("for", init, condition, post, self.block())

    def condition(self) -> Node:
        self.headers += 1
        first = self.simple()
        init: Node | None = None
        if self.take(";"):
            init, first = first, self.simple()
        self.headers -= 1
        then = self.block()
        other: list[Node] = []
        if self.take("else"):
            other = [self.statement()] if self.take("if") is False else [self.condition()]
        return Node("if", init, first.a, then, other)

    def switch(self) -> Node:
        self.headers += 1
        init: Node | None = None
        tag = None if self.peek("{") else self.simple()
        if self.take(";"):
            init, tag = tag, None if self.peek("{") else self.simple()
        self.headers -= 1
        self.want("{")
        cases: list[tuple[list[Node] | None, list[Node]]] = []
        while not self.take("}"):
            if self.take("default"):
                values = None
            else:
                self.want("case")
                values = [self.argument()]
                while self.take(","):
                    values.append(self.argument())
            self.want(":")
            body: list[Node] = []
            while not self.peek("case", "default", "}"):
                if not self.take(";"):
                    body.append(self.statement())
            cases.append((values, body))
        if tag is not None and tag.op == "assign" and tag.a == ":=":  # v := x.(type)
            return Node("typeswitch", init, tag.b[0].a, tag.c[0].a, cases)
        if tag is not None and tag.op != "expression":
            self.fail("such a switch is not read")
        if tag is not None and tag.a.op == "assert" and tag.a.b == Node("name", "type"):
            return Node("typeswitch", init, "_", tag.a.a, cases)
        return Node("switch", init, None if tag is None else tag.a, cases)

    def finish(self) -> None:
        if self.token.kind != "end":
            self.fail("something is too much")


_T = TypeVar("_T")


def _whole(text: str, read: Callable[[_Parser], _T]) -> _T:
    try:
        parser = _Parser(text)
        made = read(parser)
        parser.finish()
    except RecursionError:
        raise DumpFormatError(f"Go that is nested too deeply: {text[:60]!r}") from None
    return made


def parse_type(text: str) -> Node:
    """The tree of a type. Raises DumpFormatError."""
    return _whole(text, _Parser.type)


def parse_expression(text: str) -> Node:
    """The tree of an expression. Raises DumpFormatError."""
    return _whole(text, _Parser.argument)


def parse_statements(text: str) -> list[Node]:
    """The trees of statements, separated by semicolons or lines. Raises DumpFormatError."""
    return _whole(text, lambda parser: parser.statements(""))
