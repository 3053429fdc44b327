"""How Go collected at a time: option sets of `Heap`, version by version.

An era is what the options of a heap can say about that version's collector; `simplified` says what
they cannot. Whatever else is given to `Heap` beside ``era=`` wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gcsim._errors import ConversionError, OptionError

__all__ = ["Era", "eras", "options_of"]


@dataclass(frozen=True, slots=True)
class Era:
    """One Go version, or several with the same collector."""

    name: str  #: the first version
    versions: tuple[str, ...]  #: all of them
    options: Mapping[str, object]  #: of `Heap`, where they differ from its defaults
    collector: str  #: what it was like
    simplified: tuple[str, ...]  #: what is otherwise here
    sources: tuple[str, ...]

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        versions = self.name if len(self.versions) == 1 else f"{self.name} to {self.versions[-1]}"
        return f"<Go {versions}: {self.collector}; Heap({options})>"


def _versions(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"1.{n}" for n in range(first, last + 1))


def _era(
    first: int,
    last: int,
    collector: str,
    simplified: tuple[str, ...],
    sources: tuple[str, ...],
    **options: object,
) -> Era:
    return Era(
        f"1.{first}",
        _versions(first, last),
        MappingProxyType(options),
        collector,
        simplified,
        sources,
    )


_ALLOCATOR = "the allocator, its size classes and the scavenger are those of 1.26"
_ASSISTS = "assists, limits of their CPU time and kinds of workers are those of 1.26"

_ERAS = (
    _era(
        0,
        2,
        "the world is stopped for marking and sweeping; stacks are scanned conservatively",
        (
            _ALLOCATOR,
            "one thread marks; from 1.1 on several did",
            "objects are scanned by their types; in 1.0 every word of them could be a pointer too",
        ),
        ("https://go.dev/doc/go1.1", "https://go.dev/doc/go1.2"),
        gcstoptheworld=2,
        roots="conservative",
        pacer="at-goal",
        green_tea=False,
    ),
    _era(
        3,
        4,
        "the world is stopped for marking; stacks are scanned precisely, sweeping is concurrent",
        (_ALLOCATOR, "one thread marks"),
        ("https://go.dev/doc/go1.3", "https://go.dev/doc/go1.4"),
        gcstoptheworld=1,
        pacer="at-goal",
        green_tea=False,
    ),
    _era(
        5,
        7,
        "concurrent marking with Dijkstra's barrier; stacks are scanned again in the second stop; "
        "the trigger ratio is steered",
        (
            _ALLOCATOR,
            _ASSISTS,
            "stacks are scanned in the first stop; Go stopped each goroutine by itself for that",
            "1.6 took the coordinator goroutine out and 1.7 shrank stacks while the world runs, "
            "which makes no difference here",
        ),
        (
            "https://go.dev/doc/go1.5",
            "https://golang.org/s/go15gcpacing",
            "https://go.dev/doc/go1.6",
            "https://go.dev/doc/go1.7",
        ),
        barrier="dijkstra",
        pacer="ratio",
        green_tea=False,
    ),
    _era(
        8,
        17,
        "concurrent marking with the hybrid barrier: stacks are scanned once; the trigger ratio is "
        "steered",
        (
            _ALLOCATOR,
            _ASSISTS,
            "stacks are scanned in the first stop; Go stopped each goroutine by itself for that "
            '(in mode="steps": stacks="first")',
            "1.10 to 1.17 aimed at 30 percent of the processors; here it is 25 throughout",
            "1.12 made mark termination a ragged barrier, and 1.14 preempted loops; both are as in "
            "1.26 here",
        ),
        (
            "https://go.dev/doc/go1.8",
            "https://go.dev/design/17503-eliminate-rescan",
            "https://golang.org/s/go15gcpacing",
            "https://go.dev/doc/go1.12",
            "https://go.dev/doc/go1.14",
        ),
        pacer="ratio",
        green_tea=False,
    ),
    _era(
        18,
        25,
        "the pacer counts stacks and globals and aims at a runway; from 1.19 on a memory limit",
        (
            _ALLOCATOR,
            "memory_limit= and the limiter of collection's CPU time are there in 1.18 too",
        ),
        (
            "https://go.dev/doc/go1.18",
            "https://go.dev/design/44167-gc-pacer-redesign",
            "https://go.dev/doc/go1.19",
        ),
        green_tea=False,
    ),
    _era(
        26,
        26,
        "spans keep inline mark bits and are scanned span by span (Green Tea)",
        ("queues of spans are shared when a marker is idle; Go's are stolen from at any time",),
        ("https://go.dev/doc/go1.26",),
        mark="span",
    ),
)


def eras() -> tuple[Era, ...]:
    """Every era, oldest first; each stands for the versions with the same options."""
    return _ERAS


def options_of(name: object) -> dict[str, object]:
    """The options of a version; raises `OptionError` for one that is not known."""
    if not isinstance(name, str):
        raise ConversionError(f"era= takes a str such as '1.5', not {type(name).__name__}")
    for era in _ERAS:
        if name in era.versions:
            return dict(era.options)
    raise OptionError(f"era={name!r} is not known; known are '1.0' to '1.26'")
