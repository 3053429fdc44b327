"""What the runners of mutants and of planted bugs have in common: which of their list they take."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterable
from typing import Protocol, TypeVar


class Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def add_options(parser: argparse.ArgumentParser, what: str) -> None:
    """--sample, --seed, --only and --list."""
    add = parser.add_argument
    add("--sample", type=int, help="only so many, chosen at random")
    add("--seed", type=int, default=None, help="of the choice (default: another each day)")
    add("--only", help=f"only {what}s whose names contain this")
    add("--list", action="store_true", help="say what there is, run nothing")


def choose(
    parser: argparse.ArgumentParser, options: argparse.Namespace, things: Iterable[T], what: str
) -> list[T]:
    """Those that the options ask for; ends the program if there are none."""
    chosen = [t for t in things if not options.only or options.only in t.name]
    if options.sample is not None and options.sample < len(chosen):
        seed = options.seed if options.seed is not None else int(time.time()) // 86400
        print(f"a sample of {options.sample} of {len(chosen)} {what}s, --seed {seed}")
        chosen = random.Random(seed).sample(chosen, options.sample)
    if not chosen:
        parser.error(f"no {what}'s name contains {options.only!r}")
    return chosen
