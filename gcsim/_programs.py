"""Programs that the explorer runs: what each mutator does, on a small stage of objects.

A program is text, one operation per line, or a sequence of such lines::

    x = global 0        # local x is the object that global 0 points at
    y = x.0             # a load: field 0 of x
    x.0 = y             # a store, through the write barrier
    x.0 = nil
    x = nil             # the local is dropped: a stack slot, no barrier
    y = x
    x = new             # an object with nil fields
    x = tiny            # 8 bytes without pointers, in the mutator's tiny block
    global 0 = x
    *x = *y             # all fields, copied in bulk
    *x = zero
    push x              # into a frame more; the local is nil then
    x = pop
    handle 0 = x        # what a Ref holds
    x = handle 0
    drop handle 0       # as when Python drops the Ref
    weak 0 = x
    x = weak 0
    again               # from the top
    go to 7             # to operation 7, counted from 0
    if x is nil go to 7
    anything            # any load, store or drop that is possible, again and again

Locals are ``x y z w``. A mutator that operates on nil ends there, as Go would panic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gcsim._errors import OptionError, TypeDefinitionError
from gcsim._functions import text_of

__all__ = ["PROGRAMS", "Program", "Stage", "operation_text"]

#: A generator function: see gcsim._functions.
Function = Callable[[], Iterator[str]] | Callable[[], Generator[str, Any, Any]]

LOCALS = "xyzw"
NIL = 255

# In the order of gcsim_op_code.
_CODES = (
    *("end", "load", "store", "new", "drop", "move", "load_global", "store_global", "copy"),
    *("clear", "push", "pop", "handle", "load_handle", "drop_handle", "weak", "load_weak"),
    *("jump", "tiny", "free", "jump_nil"),
)


# What a line looks like ({L} a local, {N} a number, {P} a place in the program), its code, and
# whether its last operand is nil.
_FORMS: tuple[tuple[str, str, bool], ...] = (
    ("{L} = {L}.{N}", "load", False),
    ("{L}.{N} = {L}", "store", False),
    ("{L}.{N} = nil", "store", True),
    ("{L} = new", "new", False),
    ("{L} = tiny", "tiny", False),
    ("{L} = nil", "drop", False),
    ("{L} = {L}", "move", False),
    ("{L} = global {N}", "load_global", False),
    ("global {N} = {L}", "store_global", False),
    ("global {N} = nil", "store_global", True),
    ("*{L} = *{L}", "copy", False),
    ("*{L} = zero", "clear", False),
    ("push {L}", "push", False),
    ("{L} = pop", "pop", False),
    ("handle {N} = {L}", "handle", False),
    ("{L} = handle {N}", "load_handle", False),
    ("drop handle {N}", "drop_handle", False),
    ("weak {N} = {L}", "weak", False),
    ("{L} = weak {N}", "load_weak", False),
    ("again", "jump", False),
    ("go to {P}", "jump", False),
    ("if {L} is nil go to {P}", "jump_nil", False),
    ("anything", "free", False),
)


def _pattern(form: str) -> re.Pattern[str]:
    return re.compile(
        re.escape(form)
        .replace(r"\{L\}", "([xyzw])")
        .replace(r"\{N\}", r"(\d)")
        .replace(r"\{P\}", r"(\d\d?)")
    )


_PATTERNS = tuple((_pattern(form), _CODES.index(code), nil) for form, code, nil in _FORMS)


def _operation(text: str) -> bytes:
    for pattern, code, nil in _PATTERNS:
        if match := pattern.fullmatch(text):
            operands = [LOCALS.index(g) if g in LOCALS else int(g) for g in match.groups()]
            operands += [NIL] * nil
            return bytes([code, *operands, *[0] * (3 - len(operands))])
    forms = ", ".join(f"'{form.format(L='x', N=0, P=7)}'" for form, _, _ in _FORMS)
    raise TypeDefinitionError(f"'{text}' is no operation; there are {forms}")


def assemble(lines: Iterable[str]) -> bytes:
    """The program as the core reads it: four bytes an operation, ended by END."""
    texts = (" ".join(line.split("#")[0].split()) for line in lines)
    return b"".join(_operation(text) for text in texts if text) + bytes(4)


def operation_text(code: bytes) -> str:
    """One operation of four bytes in the words of a program."""
    for form, name, nil in _FORMS:
        plain = "{" not in form and any(code[1:])  # "again" goes to 0, and nowhere else
        if _CODES[code[0]] == name and nil == (NIL in code[1:]) and not plain:
            words = re.split(r"\{(.)\}", form)  # text, slot, text, slot, ... text
            for at, operand in zip(range(1, len(words), 2), code[1:], strict=False):
                words[at] = LOCALS[operand] if words[at] == "L" else str(operand)
            return "".join(words)
    return "end"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where programs run: objects of pointer fields, and what every slot points at to begin with.

    ``fields[o]``, ``globals`` and ``locals[m]`` name objects by number; None is nil.
    """

    fields: tuple[tuple[int | None, ...], ...]
    globals: tuple[int | None, ...] = ()
    locals: tuple[tuple[int | None, ...], ...] = ()

    def packed(self) -> tuple[int, int, int, int, bytes, bytes, bytes]:
        """Numbers of objects, fields, globals and locals, and the targets of each as bytes."""

        def targets(rows: Iterable[int | None]) -> bytes:
            return bytes(0 if o is None else o + 1 for o in rows)

        return (
            len(self.fields),
            len(self.fields[0]),
            len(self.globals),
            len(self.locals[0]),
            targets(o for row in self.fields for o in row),
            targets(self.globals),
            targets(o for row in self.locals for o in row),
        )


@dataclass(frozen=True, slots=True)
class Program:
    """What is explored: one text of operations for each mutator, and the stage that they share."""

    name: str
    about: str
    mutators: tuple[str, ...]
    stage: Stage
    whole_cycle: bool = False  #: paths go on to the end of the sweep
    code: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        code = tuple(assemble(text.splitlines()) for text in self.mutators)
        object.__setattr__(self, "code", code)


def free_choice(mutators: int, objects: int, locals: int, fields: int = 1) -> Program:
    """Every mutator does anything that is possible: global 0 -> object 0 -> object 1 -> ..."""
    rows: list[tuple[int | None, ...]] = [
        (o + 1 if o + 1 < objects else None, *[None] * (fields - 1)) for o in range(objects)
    ]
    return Program(
        "free",
        f"{mutators} mutators do anything that is possible with {objects} objects and one global",
        ("anything",) * mutators,
        Stage(tuple(rows), (0,), ((None,) * locals,) * mutators),
    )


def estimated_states(program: Program, buffer: int = 0) -> float:
    """About how many states the free choice has: within a factor of five where it was counted.

    A fit to closed searches (1 to 3 mutators, 1 to 4 objects): the ways in which all slots can
    point, times 29 for where each mutator is, 7 for each further local of it, 2 for each entry of
    its barrier buffer, and 5 for the collector. 0 for programs of named operations, which end.
    """
    if not any(text == "anything" for text in program.mutators):
        return 0.0
    objects, fields, globals, locals, *_ = program.stage.packed()
    mutators = len(program.mutators)
    slots = objects * fields + globals + mutators * locals
    for_each = 29.0 * 7.0 ** (locals - 1) * 2.0 ** min(buffer, 16)
    return float(objects + 1) ** slots * for_each**mutators * 5.0


def _two(n: int) -> tuple[tuple[int | None, ...], ...]:
    return ((None,) * n,) * 2


PROGRAMS: dict[str, Program] = {
    p.name: p
    for p in (
        free_choice(2, 2, 1),
        Program(
            "list-insert",
            "the chapter's list: two mutators put a new node at its head",
            ("y = new\nx = global 0\ny.0 = x\nx = nil\nglobal 0 = y\ny = nil",) * 2,
            Stage(((None,),), (0,), _two(2)),
        ),
        Program(
            "publish",
            "an object that only one mutator's stack holds is put into a global, from where"
            " another may take it",
            ("global 1 = x\nx = nil", "x = global 1\ny = global 0\ny.0 = x\nx = nil"),
            Stage(((None,), (None,)), (0, None), ((1, None), (None, None))),
        ),
        Program(
            "race",
            "two mutators store to one slot at the same time; one loads what the other overwrites",
            ("x = global 0\nx.0 = nil", "y = global 0\ny.0 = x\nx = nil\nx = y.0"),
            Stage(((None,), (None,)), (0,), ((None, None), (1, None))),
        ),
        Program(
            "handle",
            "a Ref's object is put into a frame, and the Ref is dropped",
            (
                "x = global 0\nhandle 0 = x\nglobal 0 = nil\nx = nil\nx = handle 0\ndrop handle 0\n"
                "y = x\nx = nil",
            ),
            Stage(((1,), (None,)), (0,), ((None, None),)),
        ),
        Program(
            "copy",
            "an object's fields are copied into another, and the first ones cleared",
            ("x = global 0\ny = x.0\n*y = *x\n*x = zero\nglobal 0 = y\nx = nil\ny = nil",),
            Stage(((1, 2), (None, None), (None, None)), (0,), ((None, None),)),
        ),
        Program(
            "copy-race",
            "an object's fields are copied while another mutator clears them",
            ("x = global 0\ny = global 1\n*y = *x", "x = global 0\nx.0 = nil"),
            Stage(((1,), (None,), (None,)), (0, 2), _two(2)),
        ),
        Program(
            "stack",
            "a pointer moves into a new frame while the stack may grow, and comes back",
            ("x = global 0\ny = x.0\nx.0 = nil\npush y\nx = nil\ny = pop\nx = global 0\nx.0 = y",),
            Stage(((1,), (None,)), (0,), ((None, None),)),
        ),
        Program(
            "last-worker",
            "work turns up when marking is about to end: a store at the last moment",
            ("x = global 0\ny = x.0\nx.0 = nil\nglobal 1 = y\nx = nil\ny = nil", "x = global 1"),
            Stage(((1,), (2,), (None,)), (0, None), _two(2)),
        ),
        Program(
            "weak",
            "a weak reference is read while its object may be about to die",
            ("x = global 0\nweak 0 = x\nx = nil\nglobal 0 = nil\nx = weak 0\nglobal 1 = x",),
            Stage(((1,), (None,)), (0, None), ((None,),)),
            whole_cycle=True,
        ),
        Program(
            "sweep",
            "allocation runs against the sweep that frees the slots it takes",
            ("x = new\nglobal 0 = x\nx = nil\ny = new\nx = global 0\nx.0 = y\ny = nil\nx = nil",),
            Stage(((None,), (None,)), (0,), ((None, None),)),
            whole_cycle=True,
        ),
    )
}


def program(name: str, *, mutators: int, objects: int, locals: int, fields: int) -> Program:
    """A standard program by name; "free" is made for the given numbers."""
    if name == "free":
        return free_choice(mutators, objects, locals, fields)
    if name not in PROGRAMS:
        raise OptionError(f"program='{name}' is not known; there are {', '.join(PROGRAMS)}")
    return PROGRAMS[name]


def of(given: Program | str | Function | Sequence[str | Function], **numbers: int) -> Program:
    """What :func:`gcsim.explore` was given, as a Program."""
    if isinstance(given, Program):
        return given
    if isinstance(given, str):
        return program(given, **numbers)
    texts = [given] if callable(given) else list(given)
    rest = {k: v for k, v in numbers.items() if k in ("objects", "locals", "fields")}
    base = free_choice(len(texts), **rest)
    mutators = tuple(text_of(t) if callable(t) else t for t in texts)
    return Program("given", "as written", mutators, base.stage)
