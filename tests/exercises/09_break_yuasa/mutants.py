"""Mistakes that the tests of 09_break_yuasa must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "def find(begin): pass\n",
    "constant": "def find(begin): return [('a', 0)] * 15\n",
    "depth first": [("waiting.popleft()", "waiting.pop()")],
    "remembers nothing": [("if after.key not in seen:", "if True:")],
    "first actor only": [("for who in state.ready:", "for who in state.ready[:1]:")],
    "last actor only": [("for who in state.ready:", "for who in state.ready[-1:]:")],
    "never the collector": [("for who in state.ready:", "for who in state.ready[:-1]:")],
    "all steps backwards": [("[*steps, (who, way)]", "[(who, way), *steps]")],
    "letters alone": [("[*steps, (who, way)]", "[*steps, who]")],
    "the last step is missing": [("return steps\n", "return steps[:-1]\n")],
    "gives up early": [("    while waiting:\n", "    while waiting and len(seen) < 100:\n")],
    "an empty list for none": [("    return None\n", "    return []\n")],
    "takes the end for a loss": [("if state.lost:", "if not state.ready:")],
    "tuple of steps": [("return steps\n", "return tuple(steps)\n")],
    "remembers what ran, not where it is": [
        ("after.key not in seen", "hash((who, len(steps))) not in seen"),
        ("seen.add(after.key)", "seen.add(hash((who, len(steps))))"),
    ],
}
