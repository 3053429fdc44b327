"""Questions without end, with answers that the core gives: ``python -m gcsim quiz``.

``question`` is what a question is, ``dice`` where its random choices come from; each topic is a
module that draws a question and has the core answer it: a heap that allocates, a stepped heap that
marks, the pacer, the escape analysis. No topic computes what the core can be asked. ``main`` is the
command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module

from gcsim._errors import OptionError, RangeError
from gcsim._quiz.dice import Dice
from gcsim._quiz.question import Question

MOST_SEED = 2**63 - 1
_TRIES = 1000  # until a topic has a question that was not there yet


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `module` has ``make(dice)``: a question, or None if the throw gave none."""

    name: str
    about: str
    module: str

    @property
    def make(self) -> Callable[[Dice], Question | None]:
        """Its ``make``. MissingPackageError if it needs what is not installed."""
        made: Callable[[Dice], Question | None] = import_module(f"gcsim._quiz.{self.module}").make
        return made


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic("class", "the size class and the slot of an allocation", "size_classes"),
        Topic("tiny", "how small objects without pointers share blocks", "tiny_blocks"),
        Topic("level", "mcache, mcentral or mheap: which of them serves an allocation", "levels"),
        Topic("colours", "white, grey and black after some steps of marking", "colours"),
        Topic(
            "trigger", "the next goal of the heap, and where the next collection begins", "triggers"
        ),
        Topic("waste", "bytes that slots, spans and slices leave unused", "waste"),
        Topic("escape", "does a variable escape to the heap?", "escapes"),
        Topic("lost", "which objects a collector without a sound barrier loses", "lost"),
    )
}


def topic(name: object) -> Topic:
    """By name. OptionError: there is none."""
    if isinstance(name, str) and name in TOPICS:
        return TOPICS[name]
    raise OptionError(f"there is no topic {name!r}; there are {', '.join(TOPICS)}")


def questions(name: str, seed: int) -> Iterator[Question]:
    """The questions of a topic and a seed, one after the other; no text comes twice.

    OptionError: no such topic; RangeError: a seed is 0 to 2**63 - 1.
    """
    chosen = topic(name)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MOST_SEED:
        raise RangeError(f"seed={seed!r} is not between 0 and 2**63 - 1")
    return _draw(chosen, seed)


def _draw(chosen: Topic, seed: int) -> Iterator[Question]:
    make = chosen.make
    seen: set[str] = set()
    number = 0
    while True:
        for attempt in range(_TRIES):
            found = make(Dice(f"{chosen.name}:{seed}:{number}:{attempt}"))
            if found and found.text not in seen:
                break
        else:
            return  # every question that the dice find has been asked
        seen.add(found.text)
        yield replace(found, topic=chosen.name, seed=seed, number=number)
        number += 1
