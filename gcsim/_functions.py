"""Python functions as programs of the explorer.

A function is a generator that yields one operation at a time (the words of gcsim._programs). What
the yield gives back is true if the local that the operation set is not nil::

    def reader():
        y = yield "x = global 0"
        if y:
            yield "x.0 = nil"

A search goes back and forth over millions of states, so the function itself is not in it: it is run
from the start once for each sequence of answers that it may get, and what it does then becomes a
table of operations with a jump where it asked. So it must do the same whenever it gets the same
answers; that is checked by running each way through it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from gcsim._errors import ConversionError, ProgramError, TypeDefinitionError

__all__ = ["text_of"]

MOST = 63  # operations of a program (csrc/steps/actor.h: PROGRAM_OPS, one of them its end)

Answers = tuple[bool, ...]


@dataclass(slots=True)
class _Piece:
    """What a function does from one question to the next; `asks` is a local, or None at its end."""

    operations: list[str]
    asks: str | None = None


class Local:
    """What a yield gives back: whether the local that the operation set is not nil."""

    __slots__ = ("_answer", "_name", "_run")

    def __init__(self, run: _Run, name: str) -> None:
        self._run, self._name = run, name
        self._answer: bool | None = None

    def __bool__(self) -> bool:
        if self._answer is None:
            self._answer = self._run.ask(self)
        return self._answer

    def __repr__(self) -> str:
        return f"local {self._name}"


class _Run:
    """One run of a function from its start. Questions beyond `answers` are answered with yes."""

    def __init__(self, function: Callable[[], Any], answers: Answers) -> None:
        self.function, self.given = function, answers
        self.answers: Answers = ()
        self.pieces = [_Piece([])]
        self.set_last: dict[str, Local] = {}

    def step(self) -> int:
        return sum(len(p.operations) for p in self.pieces)

    def fail(self, what: str) -> ProgramError:
        return ProgramError.at(_name(self.function), self.step(), what)

    def ask(self, local: Local) -> bool:
        name = local._name
        if self.set_last.get(name) is not local:
            raise self.fail(f"whether {name} was nil is asked when {name} has changed: ask before")
        n = len(self.answers)
        self.answers += (self.given[n] if n < len(self.given) else True,)
        self.pieces[-1].asks = name
        self.pieces.append(_Piece([]))
        return self.answers[-1]

    def operation(self, text: object) -> Local | None:
        from gcsim._programs import assemble

        if not isinstance(text, str):
            raise ConversionError(
                f"{_name(self.function)} yields {text!r} in step {self.step()}: an operation is"
                " text, such as 'x = global 0'. A search has heaps and objects of its own"
            )
        words = " ".join(text.split("#")[0].split())
        if not words:
            raise self.fail("yields an empty text")
        if words == "again" or "go to" in words:
            raise self.fail(f"'{words}' is for programs that are text: use a loop")
        try:
            assemble([words])
        except TypeDefinitionError as error:
            raise self.fail(str(error)) from None
        self.pieces[-1].operations.append(words)
        if words == "anything":
            self.set_last.clear()
        left, sign, _ = words.partition(" = ")
        name = words[-1] if words.startswith("push ") else left
        if name not in tuple("xyzw") or not (sign or words.startswith("push ")):
            return None
        self.set_last[name] = local = Local(self, name)
        return local

    def go(self) -> _Run:
        generator = self.function()
        if not isinstance(generator, Generator):
            raise ConversionError(
                f"{_name(self.function)} is no generator function: it yields one operation at a"
                " time, as in: yield 'x = global 0'"
            )
        answer: Local | None = None
        try:
            while True:
                answer = self.operation(generator.send(answer))
                if self.step() + len(self.answers) > MOST:
                    raise self.fail(f"more than {MOST} operations and questions")
        except StopIteration:
            return self
        except (ProgramError, ConversionError):
            raise
        except Exception as error:
            raise self.fail(f"raises {type(error).__name__}: {error}") from error
        finally:
            generator.close()


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", None) or type(function).__name__


def _agree(run: _Run, known: dict[Answers, _Piece]) -> None:
    """Note what a run did; ProgramError where one with the same answers did something else."""
    step = 0
    for i, piece in enumerate(run.pieces):
        before = known.setdefault(run.answers[:i], piece)
        for a, b in zip(
            [*before.operations, before.asks], [*piece.operations, piece.asks], strict=False
        ):
            if a != b:
                was, now = (w or "its end" for w in (a, b))
                raise ProgramError.at(
                    _name(run.function),
                    step,
                    f"is not deterministic: '{was}' when it ran first, '{now}' when it ran again"
                    " with the same answers",
                )
            step += 1
        step -= 1  # the question is no operation


def _ways(function: Callable[[], Any]) -> dict[Answers, _Piece]:
    """All that a function may do, by the answers that it has got."""
    known: dict[Answers, _Piece] = {}
    answers: Answers | None = ()
    while answers is not None:
        run = _Run(function, answers).go()
        _agree(run, known)
        _agree(_Run(function, run.answers).go(), known)
        lines = sum(len(p.operations) + 1 for p in known.values())
        if lines > MOST + 1:
            raise run.fail(f"more than {MOST} operations and jumps in all the ways through it")
        left = list(run.answers)
        while left and not left[-1]:
            left.pop()
        answers = (*left[:-1], False) if left else None
    return known


def text_of(function: Callable[[], Any]) -> str:
    """The function as a program's text. Its errors are those of :func:`gcsim.explore`."""
    known = _ways(function)
    lines: list[str] = []

    def lay(answers: Answers) -> None:
        piece = known[answers]
        lines.extend(piece.operations)
        at = len(lines)
        lines.append("")  # a jump, to somewhere or to the end
        if piece.asks is not None:
            lay((*answers, True))
            lines[at] = f"if {piece.asks} is nil go to {len(lines)}"
            lay((*answers, False))

    lay(())
    lines.pop()  # the last one ends there anyway
    return "\n".join(line or f"go to {len(lines)}" for line in lines)
