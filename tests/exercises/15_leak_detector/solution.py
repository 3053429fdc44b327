"""A solution of 15_leak_detector."""

from itertools import pairwise

WINDOWS = 4


def window(n):
    return n // 2 // WINDOWS


def is_leak(live, least):
    w = window(len(live))
    lows = [min(live[end - w : end]) for end in ends(len(live))]
    return all(b - a >= least * w / 3 for a, b in pairwise(lows))


def ends(n):
    return [n - k * window(n) for k in reversed(range(WINDOWS))]


def watch(heap, serve, rounds, least):
    live, looks = [], []
    for number in range(1, rounds + 1):
        serve()
        live.append(heap.collect().heap_marked)
        if number in ends(rounds):
            looks.append(heap.snapshot(owners=False))
    if not is_leak(live, least):
        return None
    grown = [growth(new, old) for old, new in pairwise(looks)]
    every = set.intersection(*map(set, grown))
    return max(every, key=lambda name: min(g[name] for g in grown))


def growth(new, old):
    found = {}
    for row in new.diff(old):
        root = row.name.split(" -> ")[0]
        found[root] = found.get(root, 0) + row.bytes
    return found
