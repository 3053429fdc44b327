"""The memories that the works of tests/bench/work run on: gcsim, and what people use instead.

    python tests/bench/peers.py     builds all of them into build/peers (make bench-peers)

A peer that is not installed is named, with what to install, and left out; in CI (CI=true) that is a
failure. Nothing is installed from here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import programs

Command = tuple[list[str], dict[str, str]]  # words, environment
Stops = list[tuple[float, float]]  # start and length, in s


@dataclass(frozen=True)
class Peer:
    """One memory. `build` gives the command that the work's words follow, or None if it is missing."""

    build: Callable[[], list[str] | None]
    install: str = ""  # how to get it
    env: dict[str, str] = field(default_factory=dict)
    # What makes it tell its stops on standard error, and what reads that; others tell them themselves.
    tracing: tuple[list[str], dict[str, str]] = ([], {})
    stops: Callable[[str], Stops] | None = None


def _of_c(memory: str, header: str = "", library: str = "") -> list[str] | None:
    if header and not programs.has_library(header, library):
        return None
    return [str(programs.work_of_c(memory, library))]


def _of_go(experiment: str = "") -> list[str] | None:
    built = programs.work_of_go(experiment)
    return built and [str(built)]


def _of_java(*options: str) -> list[str] | None:
    built = programs.work_of_java()
    return built and ["java", *options, "-cp", str(built), "Work"]


_GC_LINE = re.compile(r"^gc \d+ @([\d.]+)s \d+%: ([\d.]+)\+([\d.]+)\+([\d.]+) ms clock", re.M)
_SAFEPOINT = re.compile(r"^\[(\d+)ns\] Safepoint \".*Total: (\d+) ns", re.M)


def go_stops(log: str) -> Stops:
    """The two stops of each cycle, from the lines of GODEBUG=gctrace=1."""
    found: Stops = []
    for match in _GC_LINE.finditer(log):
        start, first, marking, second = (float(word) for word in match.groups())
        found += [(start, first / 1e3), (start + (first + marking) / 1e3, second / 1e3)]
    return found


def java_stops(log: str) -> Stops:
    """Each safepoint, from the lines of -Xlog:safepoint, which are written at its end."""
    pairs = [(int(end), int(took)) for end, took in _SAFEPOINT.findall(log)]
    return [((end - took) / 1e9, took / 1e9) for end, took in pairs]


_GO = "Go 1.26 or later in PATH (`go version`)"
_JAVA = "Debian: apt-get install openjdk-17-jdk-headless"


def _go(experiment: str = "", **env: str) -> Peer:
    tracing: tuple[list[str], dict[str, str]] = ([], {"GODEBUG": "gctrace=1"})
    return Peer(partial(_of_go, experiment), _GO, env, tracing, go_stops)


def _java(collector: str) -> Peer:
    build = partial(_of_java, f"-XX:+Use{collector}GC")
    return Peer(build, _JAVA, {}, (["-Xlog:safepoint:stderr:uptimenanos"], {}), java_stops)


def _bdwgc(markers: int) -> Peer:
    build = partial(_of_c, "bdwgc", "gc.h", "gc")
    return Peer(build, "Debian: apt-get install libgc-dev", {"GC_MARKERS": str(markers)})


PEERS: dict[str, Peer] = {
    "gcsim": Peer(partial(_of_c, "gcsim")),
    "go": _go(),
    "go nogreenteagc": _go("nogreenteagc"),
    "go GOGC=400": _go(GOGC="400"),
    "bdwgc 1": _bdwgc(1),
    "bdwgc 2": _bdwgc(2),
    "mimalloc": Peer(
        partial(_of_c, "malloc", "mimalloc.h", "mimalloc"),
        "Debian: apt-get install libmimalloc-dev",
    ),
    "jemalloc": Peer(
        partial(_of_c, "malloc", "jemalloc/jemalloc.h", "jemalloc"),
        "Debian: apt-get install libjemalloc-dev",
    ),
    "glibc": Peer(partial(_of_c, "malloc")),
    "java serial": _java("Serial"),
    "java parallel": _java("Parallel"),
    "java g1": _java("G1"),
    "java z": _java("Z"),
}


def engines() -> dict[str, str]:
    """The mark engines that gcsim.h names, as MARK_ENGINE says them to a program."""
    header = (programs.ROOT / "csrc/include/gcsim/gcsim.h").read_text(encoding="utf-8")
    found = re.findall(r"^ *GCSIM_MARK_(\w+) = (\d+),", header, re.M)
    return {name.lower(): str(int(number) + 1) for name, number in found}


def variant(name: str) -> Peer:
    """A peer by its name, or one with a setting after it: `gcsim stopped`, `gcsim field`, `go
    GOGC=50`."""
    if name in PEERS:
        return PEERS[name]
    base, _, setting = name.rpartition(" ")
    peer = PEERS[base]
    if setting == "stopped":
        env = {"STOP_THE_WORLD": "1"}
    elif setting in engines():
        env = {"MARK_ENGINE": engines()[setting]}
    else:
        key, _, value = setting.partition("=")
        env = {key: value}
    return replace(peer, env=peer.env | env)


def command(peer: Peer, words: list[str], procs: int) -> Command | None:
    """What runs a work on a peer with so many processors (0: all); None if the peer is missing."""
    start = peer.build()
    if start is None:
        return None
    env = programs.clean_environment(**peer.env)
    options: list[str] = []
    if words[0] == "stops":
        options += peer.tracing[0]
        env |= peer.tracing[1]
    if procs:
        env["GOMAXPROCS"] = str(procs)
        options += [f"-XX:ActiveProcessorCount={procs}"] if start[0] == "java" else []
    return [start[0], *options, *start[1:], *words], env


def main() -> int:
    missing = failed = 0
    for name, peer in PEERS.items():
        try:
            built = peer.build()
        except programs.BuildError as error:
            print(f"{name:16} FAILED: {error}")
            failed += 1
            continue
        missing += built is None
        print(f"{name:16} {'ready' if built else f'MISSING, left out; to have it: {peer.install}'}")
    place = programs.PEERS.relative_to(programs.ROOT)
    print(f"{len(PEERS) - missing - failed} of {len(PEERS)} are in {place}")
    return 1 if failed or (missing and os.environ.get("CI") == "true") else 0


if __name__ == "__main__":
    sys.exit(main())
