"""Mistakes that the tests of 15_leak_detector must notice: edits of solution.py, or whole files."""

LOWS = "    lows = [min(live[end - w : end]) for end in ends(len(live))]\n"
VERDICT = "    return all(b - a >= least * w / 3 for a, b in pairwise(lows))"
HOLDER = """    grown = [growth(new, old) for old, new in pairwise(looks)]
    every = set.intersection(*map(set, grown))
    return max(every, key=lambda name: min(g[name] for g in grown))"""

MUTANTS = {
    "empty body": "def is_leak(live, least): pass\ndef watch(heap, serve, rounds, least): pass\n",
    "never a leak": [(VERDICT, "    return False")],
    "always a leak": [(VERDICT, "    return True")],
    "last against first": [(VERDICT, "    return live[-1] - live[0] >= least * len(live) / 2")],
    "ends of the second half": [
        (VERDICT, "    return live[-1] - live[len(live) // 2] >= least * len(live) / 4")
    ],
    "each reading above the one before": [
        (VERDICT, "    return all(b > a for a, b in pairwise(live))")
    ],
    "any window": [(VERDICT, VERDICT.replace("all(", "any("))],
    "first window against the last": [(VERDICT, "    return lows[-1] - lows[0] >= least * w")],
    "two windows": [("WINDOWS = 4", "WINDOWS = 2")],
    "any growth": [("b - a >= least * w / 3", "b > a")],
    "growth of a window is asked of a round": [("b - a >= least * w / 3", "b - a >= least / 3")],
    "asks for too much": [("b - a >= least * w / 3", "b - a >= 5 * least * w")],
    "the highest of each window": [("[min(live[end", "[max(live[end")],
    "the first of each window": [("min(live[end - w : end])", "live[end - w]")],
    "three rises in four, as the chapter": [
        (VERDICT, "    hits = sum(x - live[0] > least * w for x in live)\n    return hits >= 3")
    ],
    "slope of a line": [
        (
            VERDICT,
            "    y = live[len(live) // 2 :]\n    m = (len(y) - 1) / 2\n    a = sum(y) / len(y)\n"
            "    return sum((i - m) * (v - a) for i, v in enumerate(y))"
            " / sum((i - m) ** 2 for i in range(len(y))) >= least / 2",
        )
    ],
    "an int for a bool": [(VERDICT, VERDICT.replace("return all(", "return 0 + all("))],
    "reads before it collects": [("heap.collect().heap_marked", "heap.memstats().heap_alloc")],
    "always the same holder": [(HOLDER, '    return "global sessions"')],
    "names the largest": [(HOLDER, "    return looks[-1].suspects()[0].path.root")],
    "growth since the middle": [(HOLDER, "    return looks[-1].diff(looks[0])[0].name")],
    "growth since the beginning": [
        (
            "        serve()\n",
            "        serve()\n        if number == 1:\n            first = heap.snapshot(owners=False)\n",
        ),
        (HOLDER, "    return looks[-1].diff(first)[0].name"),
    ],
    "all that grew": [(HOLDER, "    return str(looks[-1].diff(looks[0]))")],
    "the type, not who holds it": [(HOLDER, "    return looks[-1].histogram()[0].name")],
    "says only that there is one": [(HOLDER, '    return "leak"')],
    "serves once more": [("range(1, rounds + 1)", "range(1, rounds + 2)")],
}
