"""What a question is, which answers it takes, and what is right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gcsim._errors import ConversionError

Answer = int | str | tuple[str, ...]

_UNITS = {"": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_NUMBER = re.compile(r"(-?\d[\d_,]*)\s*([a-z]*)")
_SHORT = {"y": "yes", "n": "no", "gray": "grey"}
_NONE = frozenset({"none", "nothing", "no", "-", "nil", "0"})


@dataclass(frozen=True, slots=True)
class Question:
    """One question. Whoever knows Go's rules finds exactly one answer to its text.

    kind     "number": a whole number of `unit` ("" for the number of a size class); "choice": one
             of `choices`; "list": any of them, in any order, or none
    answer   an int, a str or a tuple of them, in the order of `choices`
    why      how the answer comes about, in a line or two
    source   the place in Go's runtime (or compiler) that decides it
    """

    text: str
    kind: Literal["number", "choice", "list"]
    answer: Answer
    why: str
    source: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    topic: str = ""
    seed: int = 0
    number: int = 0  #: 0, 1, ... of its topic and seed

    @property
    def id(self) -> str:
        """ "class:7:0": from it the question can be made again, anywhere."""
        return f"{self.topic}:{self.seed}:{self.number}"

    def __post_init__(self) -> None:
        """A question that could be understood in two ways is a mistake of its topic."""
        assert self.text and self.why and self.source
        assert len({c.lower() for c in self.choices}) == len(self.choices)
        if self.kind == "number":
            assert type(self.answer) is int and self.answer >= 0 and not self.choices
        elif self.kind == "choice":
            assert len(self.choices) > 1 and self.choices.count(str(self.answer)) == 1
        else:
            assert isinstance(self.answer, tuple) and self.choices
            assert self.answer == tuple(c for c in self.choices if c in self.answer)

    def read(self, given: object) -> Answer:
        """An answer as `answer` is written: "16 B" is 16, "b" the second choice, "none" no object.

        ConversionError says what an answer has to look like.
        """
        if isinstance(given, (list, tuple)) and self.kind == "list":
            given = ", ".join(map(str, given)) or "none"
        if isinstance(given, int) and not isinstance(given, bool):
            given = str(given)
        if not isinstance(given, str):
            raise ConversionError(f"{given!r:.80} is no answer: {self.form}")
        words = " ".join(given.split()).lower().rstrip(".")
        reader = {"number": self._number, "choice": self._choice, "list": self._list}[self.kind]
        found = reader(words)
        if found is None:
            raise ConversionError(f"{given!r:.80} is no answer: {self.form}")
        return found

    def right(self, given: object) -> bool:
        """Whether that is the answer. ConversionError as `read`."""
        return self.read(given) == self.answer

    @property
    def form(self) -> str:
        """What an answer looks like."""
        if self.kind == "number":
            return f"a whole number of {self.unit}" if self.unit else "a whole number"
        if self.kind == "list":
            return f"any of {', '.join(self.choices)}, or none"
        if self.choices == ("yes", "no"):
            return "yes or no"
        return "one of " + ", ".join(f"{chr(97 + i)}" for i in range(len(self.choices)))

    def _number(self, words: str) -> int | None:
        match = _NUMBER.fullmatch(words)
        if not match or len(match[1]) > 30:
            return None
        value, unit = int(re.sub("[_,]", "", match[1])), match[2]
        if self.unit == "bytes":
            if unit in ("b", "byte", "bytes"):
                unit = ""
            return value * _UNITS[unit] if unit in _UNITS else None
        return value if unit in ("", self.unit, self.unit.rstrip("s")) else None

    def _choice(self, words: str) -> str | None:
        words = words.strip("()").removesuffix(")")
        words = _SHORT.get(words, words)
        lower = [c.lower() for c in self.choices]
        if words in lower:
            return self.choices[lower.index(words)]
        if self.choices == ("yes", "no"):
            return None
        letters = [chr(97 + i) for i in range(len(self.choices))]
        return self.choices[letters.index(words)] if words in letters else None

    def _list(self, words: str) -> tuple[str, ...] | None:
        if words in _NONE:
            return ()
        lower = [c.lower() for c in self.choices]
        named = [w for w in re.split(r"[\s,;]+|\band\b", words) if w]
        if not named or any(w not in lower for w in named):
            return None
        return tuple(c for c in self.choices if c.lower() in named)

    def __str__(self) -> str:
        """The text, with its choices."""
        if self.kind == "choice" and self.choices != ("yes", "no"):
            lines = [f"  {chr(97 + i)}) {choice}" for i, choice in enumerate(self.choices)]
            return "\n".join([self.text, *lines])
        return f"{self.text} ({self.form})"

    def said(self) -> str:
        """The answer in words."""
        if self.kind == "number":
            unit = self.unit.removesuffix("s") if self.answer == 1 else self.unit
            return f"{self.answer:,} {unit}".strip()
        return (
            ", ".join(self.answer) or "none" if isinstance(self.answer, tuple) else str(self.answer)
        )


def number(text: str, answer: int, unit: str = "", *, why: str, source: str) -> Question:
    """A question for a whole number of a unit (in the plural)."""
    return Question(text, "number", answer, why, source, unit=unit)


def choice(text: str, answer: str, choices: tuple[str, ...], *, why: str, source: str) -> Question:
    """A question for one of several."""
    return Question(text, "choice", answer, why, source, choices=choices)


def some(
    text: str, answer: frozenset[str], choices: tuple[str, ...], *, why: str, source: str
) -> Question:
    """A question for those of several that something is true of."""
    chosen = tuple(c for c in choices if c in answer)
    return Question(text, "list", chosen, why, source, choices=choices)
