"""Nodes in the compiler's own words (`cmd/compile/internal/ir/fmt.go`).

Implicit conversions, addresses and dereferences are not printed; literals print their type and
three dots; a constant prints its type unless that is the default one of its value.
"""

from __future__ import annotations

from typing import Any

from . import constants
from .nodes import Node
from .types import Basic, Pointer

_PRECEDENCE = {
    "PLUS": 7, "NOT": 7, "BITNOT": 7, "NEG": 7, "ADDR": 7, "DEREF": 7, "RECV": 7,
    "MUL": 6, "DIV": 6, "MOD": 6, "LSH": 6, "RSH": 6, "AND": 6, "ANDNOT": 6,
    "ADD": 5, "SUB": 5, "OR": 5, "XOR": 5,
    "EQ": 4, "LT": 4, "LE": 4, "GE": 4, "GT": 4, "NE": 4,
    "SEND": 3, "ANDAND": 2, "OROR": 1,
    # Not in the compiler's table, so it puts them in parentheses wherever it asks for more than 0.
    "ADDSTR": 0, "CLOSURE": 0, "PTRLIT": 0, "MAKEMAP": 0, "MAKECHAN": 0, "REAL": 0, "IMAG": 0,
    "COMPLEX": 0, "CLEAR": 0, "RECOVER": 0, "DYNAMICDOTTYPE": 0, "DYNAMICDOTTYPE2": 0,
    "AS": -1, "AS2": -1, "AS2DOTTYPE": -1, "AS2FUNC": -1, "AS2MAPR": -1, "AS2RECV": -1,
    "ASOP": -1, "BLOCK": -1, "BREAK": -1, "CASE": -1, "CONTINUE": -1, "DCL": -1, "DEFER": -1,
    "FALL": -1, "FOR": -1, "RANGE": -1, "GOTO": -1, "IF": -1, "LABEL": -1, "GO": -1,
    "RETURN": -1, "SELECT": -1, "SWITCH": -1, "SELRECV2": -1,
}  # fmt: skip

SYMBOLS = {
    "PLUS": "+", "NEG": "-", "BITNOT": "^", "NOT": "!", "RECV": "<-", "ADDR": "&", "DEREF": "*",
    "ADD": "+", "SUB": "-", "MUL": "*", "DIV": "/", "MOD": "%", "LSH": "<<", "RSH": ">>",
    "AND": "&", "ANDNOT": "&^", "OR": "|", "XOR": "^", "EQ": "==", "NE": "!=", "LT": "<",
    "LE": "<=", "GT": ">", "GE": ">=", "ANDAND": "&&", "OROR": "||",
}  # fmt: skip

_CONVERSIONS = {
    "CONV", "CONVIFACE", "CONVNOP", "BYTES2STR", "RUNES2STR", "STR2BYTES", "STR2RUNES", "RUNESTR",
    "SLICE2ARR", "SLICE2ARRPTR",
}  # fmt: skip

_CALLED = {
    "REAL": "real", "IMAG": "imag", "CAP": "cap", "CLEAR": "clear", "CLOSE": "close",
    "LEN": "len", "NEW": "new", "PANIC": "panic", "APPEND": "append", "DELETE": "delete",
    "MAX": "max", "MIN": "min", "RECOVER": "recover", "PRINT": "print", "PRINTLN": "println",
    "COMPLEX": "complex", "COPY": "copy", "UNSAFEADD": "unsafe.Add",
    "UNSAFESLICE": "unsafe.Slice",
}  # fmt: skip


def text(node: Node | None) -> str:
    """The node as the compiler prints it with %v."""
    if node is None:
        return "<nil>"
    if _PRECEDENCE.get(node.op, 8) < 0:
        return _statement(node)
    return _expression(node, 0)


def texts(nodes: Any, separator: str = ", ") -> str:
    return separator.join(map(text, nodes))


def name(node: Any) -> str:
    return f"{node.package.rpartition('/')[2]}.{node.name}" if node.package else str(node.name)


def literal(node: Node) -> str:
    type, value = node.type, node.val
    group = type.under.group if type is not None and isinstance(type.under, Basic) else ""
    if isinstance(type, Basic) and type.name in ("rune", "untyped rune"):
        number = constants.to_int(value)
        if number is not None and 0 <= number <= 0x10FFFF:
            return quote_rune(number)
    shown = constants.text(value, group)
    plain = (
        (isinstance(value, bool) and "bool")
        or (isinstance(value, str) and "string")
        or (group in ("int", "uint") and "int")
        or (group == "float" and "float64")
        or "complex128"
    )
    if isinstance(type, Basic) and (type.name == plain or type.untyped):
        return shown
    return f"{type}({shown})"


def quote_rune(code: int) -> str:
    from .types import quote

    if code == 0x27:
        return "'\\''"
    if code == 0x22:
        return "'\"'"
    if 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return "'" + quote(chr(code))[1:-1] + "'"


def _selector(node: Node) -> str:
    return f"{_expression(node.x, 8)}.{node.sym}"


def _expression(node: Any, precedence: int) -> str:
    while node is not None and node.implicit and node.op in (
        "ADDR", "DEREF", "CONV", "CONVNOP", "CONVIFACE",
    ):  # fmt: skip
        node = node.x
    if node is None:
        return "<nil>"
    op = node.op
    own = _PRECEDENCE.get(op, 8)
    if op == "TYPE" and isinstance(node.type, Pointer):
        own = 7
    if precedence > own:
        return f"({text(node)})"
    if op in ("NAME", "BLANK"):
        return name(node)
    if op == "LIT":
        return literal(node)
    if op == "NIL":
        return "nil"
    if op == "TYPE":
        return str(node.type)
    if op == "CLOSURE":
        return "func literal"
    if op == "PTRLIT":
        return f"&{text(node.x)}"
    if op in ("STRUCTLIT", "ARRAYLIT", "SLICELIT", "MAPLIT"):
        if node.implicit:
            return "... argument"
        return f"{node.type}{{{'...' if node.list else ''}}}"
    if op == "KEY":
        return f"{text(node.x)}:{text(node.y)}"
    if op == "STRUCTKEY":
        return f"{node.sym}:{text(node.x)}"
    if op in ("DOT", "DOTPTR", "DOTINTER", "DOTMETH", "METHVALUE", "METHEXPR"):
        return _selector(node)
    if op in ("DOTTYPE", "DOTTYPE2"):
        return f"{_expression(node.x, 8)}.({node.type})"
    if op in ("INDEX", "INDEXMAP"):
        return f"{_expression(node.x, 8)}[{text(node.y)}]"
    if op.startswith("SLICE") and op not in _CONVERSIONS:
        parts = "".join(text(p) if p is not None else "" for p in (node.y,)) + ":"
        parts += text(node.z) if node.z is not None else ""
        if op.startswith("SLICE3"):
            parts += ":" + (text(node.w) if node.w is not None else "")
        return f"{_expression(node.x, 8)}[{parts}]"
    if op in _CONVERSIONS:
        named = isinstance(node.type, Basic) or hasattr(node.type, "package")
        from .types import ANY, Interface

        if isinstance(node.type, Interface) and node.type is ANY:
            named = True
        return f"{node.type}({text(node.x)})" if named else f"({node.type})({text(node.x)})"
    if op in ("MAKEMAP", "MAKECHAN", "MAKESLICE"):
        if node.y is not None:
            return f"make({node.type}, {text(node.x)}, {text(node.y)})"
        if node.x is not None:
            return f"make({node.type}, {text(node.x)})"
        return f"make({node.type})"
    if op in _CALLED:
        inside = [n for n in (node.x, node.y) if n is not None] + list(node.list)
        return f"{_CALLED[op]}({texts(inside)}{'...' if node.flag else ''})"
    if op in ("CALLFUNC", "CALLINTER", "CALLMETH"):
        return f"{_expression(node.x, 8)}({texts(node.list)}{'...' if node.flag else ''})"
    if op in ("PLUS", "NEG", "BITNOT", "NOT", "RECV", "ADDR"):
        space = " " if node.x.op == op else ""
        return f"{SYMBOLS[op]}{space}{_expression(node.x, 8)}"
    if op == "DEREF":
        return "*" + _expression(node.x, 8)
    if op == "ADDSTR":
        return " + ".join(_expression(n, 0) for n in node.list)
    if op == "SEND":
        return f"{_expression(node.x, 3)} <- {_expression(node.y, 4)}"
    if op in SYMBOLS:
        return f"{_expression(node.x, own)} {SYMBOLS[op]} {_expression(node.y, own + 1)}"
    if op in ("DYNAMICTYPE", "DYNAMICDOTTYPE", "DYNAMICDOTTYPE2"):
        return f"<node {op}>"
    if op in ("UNSAFESTRING", "UNSAFESTRINGDATA", "UNSAFESLICEDATA"):
        return {
            "UNSAFESTRING": "<node unsafe.String>",
            "UNSAFESTRINGDATA": "<node unsafe.StringData>",
            "UNSAFESLICEDATA": "<node unsafe.SliceData>",
        }[op]
    if op == "LINKSYM":
        return str(node.sym)
    return f"<node {op}>"


def _statement(node: Any) -> str:
    op = node.op
    simple = len(node.init) == 1 and not node.init[0].init and op in ("IF", "FOR", "SWITCH")
    if op == "AS":
        return f"{text(node.x)} {':=' if node.flag else '='} {text(node.y)}"
    if op == "ASOP":
        if node.flag:
            return f"{text(node.x)}{'++' if node.sym == 'ADD' else '--'}"
        return f"{text(node.x)} {SYMBOLS[node.sym]}= {text(node.y)}"
    if op in ("AS2", "AS2DOTTYPE", "AS2FUNC", "AS2MAPR", "AS2RECV"):
        return f"{texts(node.list)} {':=' if node.flag else '='} {texts(node.rhs)}"
    if op == "RETURN":
        return f"return {texts(node.list)}"
    if op in ("GO", "DEFER"):
        return f"{op.lower()} {text(node.x)}"
    if op == "BLOCK":
        return texts(node.body, "; ")
    if op in ("FOR", "RANGE"):
        return "for loop"
    if op in ("SELECT", "SWITCH"):
        return f"{op.lower()} statement"
    if op == "CASE":
        head = f"case {texts(node.list)}" if node.list else "default"
        return f"{head}: {texts(node.body, '; ')}"
    if op == "IF":
        start = f"{text(node.init[0])}; " if simple else ""
        out = f"if {start}{text(node.x)} {{ {texts(node.body, '; ')} }}"
        return out + (f" else {{ {texts(node.els, '; ')} }}" if node.els else "")
    if op == "SELRECV2":
        return f"<node {op}>"
    return str(op).lower()
