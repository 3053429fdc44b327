"""Mistakes that the tests of 11_choose_gogc must notice: edits of solution.py, or whole files."""

CHOSEN = "min(100 * (heap - live) // live, 100 * heap // (4 << 20)), machine"

MUTANTS = {
    "empty body": "def choose(*sizes): pass\n",
    "Go's default": "def choose(*sizes): return 100, None\n",
    "the default and a limit": "def choose(live, spike, budget, machine, other): return 100, machine\n",
    "a small GOGC to be safe": "def choose(live, spike, budget, machine, other): return 20, machine\n",
    "off": "def choose(*sizes): return None, None\n",
    "off, and the machine is the limit": "def choose(live, spike, budget, machine, other): return None, machine\n",
    "off, and the budget is the limit": "def choose(live, spike, budget, machine, other): return None, budget\n",
    "the budget is the limit": [(f"{CHOSEN}", CHOSEN.replace("machine", "budget"))],
    "no limit": [(CHOSEN, CHOSEN.replace("machine", "None"))],
    "no limit where there is no spike": [
        ("return None, machine", "return 100 * (budget - other - live) // live, None"),
        ("budget - other\n", "budget\n"),
    ],
    "the heap is all there is": [("budget - other", "budget")],
    "no minimum": [(CHOSEN, "100 * (heap - live) // live, machine")],
    "the minimum only": [(CHOSEN, "100 * heap // (4 << 20), machine")],
    "the larger of both": [("min(", "max(")],
    "of the goal, not of the growth": [("(heap - live) // live", "heap // live")],
    "no per cent": [("100 * (heap - live) // live", "(heap - live) // live")],
    "for the spike too": [
        ("(heap - live) // live", "max(heap - live - spike, 0) // (live + spike)")
    ],
    "GOGC for the machine": [("budget - other", "machine - other")],
    "the limit in MiB": [("return None, machine", "return None, machine >> 20")],
    "a float": [("(heap - live) // live", "(heap - live) / live")],
    "copy of the visible cases": "KNOWN = {(8, 44): (None, 44), (16, 29): (None, 29), (10, 26): (120, 42), (1, 20): (400, 48)}\ndef choose(live, spike, budget, machine, other):\n    gogc, limit = KNOWN.get((live >> 20, budget >> 20), (100, machine >> 20))\n    return gogc, limit << 20\n",
}
