"""Mistakes that the tests of 10_trigger_and_goal must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "GOGC=0 is off": [("if gogc is None:", "if not gogc:")],
    "empty body": "def goal(*a): pass\ndef limit_goal(*a): pass\ndef runway(*a): pass\ndef trigger(*a): pass\n",
    "constant": "def goal(*a): return 4 << 20\ndef limit_goal(*a): return 4 << 20\ndef runway(*a): return 0\ndef trigger(*a): return 3997696\n",
    "twice what lives": [("live + (live + stacks + globals_) * gogc // 100", "live * 2")],
    "stacks and globals forgotten": [("(live + stacks + globals_) * gogc", "live * gogc")],
    "globals forgotten": [("(live + stacks + globals_)", "(live + stacks)")],
    "divides first": [
        ("(live + stacks + globals_) * gogc // 100", "(live + stacks + globals_) // 100 * gogc")
    ],
    "floats": [("by_percent, live + MIB", "by_percent * 1.0, live + MIB")],
    "no minimum": [(", 4 * MIB * gogc // 100)", ", 0)")],
    "the minimum is 4 MiB always": [("4 * MIB * gogc // 100", "4 * MIB")],
    "off, whatever the limit": [
        ("        return by_limit\n    by_percent", "        return None\n    by_percent")
    ],
    "a limit raises the goal": [("by_limit < by_percent", "by_limit > live")],
    "no room to sweep in": [("return max(by_percent, live + MIB)", "return by_percent")],
    "room to sweep above the limit": [
        ("by_percent = max(", "by_percent = max(live + MIB, "),
    ],
    "no headroom": [("max(left - headroom, headroom, live)", "max(left, live)")],
    "3 % always": [("max(left // 100 * 3, MIB)", "left // 100 * 3")],
    "3 % of all of it": [("left // 100 * 3", "left * 3 // 100")],
    "less than the headroom": [
        ("max(left - headroom, headroom, live)", "max(left - headroom, live)")
    ],
    "less than what lives": [
        ("max(left - headroom, headroom, live)", "max(left - headroom, headroom)")
    ],
    "other memory is free": [("mapped - heap + max(mapped - limit, 0)", "max(mapped - limit, 0)")],
    "the excess is forgiven": [(" + max(mapped - limit, 0)", "")],
    "nothing left is nothing": [("    if other >= limit:\n        return live\n", "")],
    "half of the CPU": [("cons_mark * 3 * scan", "cons_mark * scan")],
    "the CPU upside down": [("cons_mark * 3 * scan", "cons_mark / 3 * scan")],
    "rounded up": [("int(cons_mark * 3 * scan)", "-int(-cons_mark * 3 * scan // 1)")],
    "the trigger is the goal": [
        ("    step = (goal - live) // 64\n", "    return goal\n    step = 0\n")
    ],
    "no bound below": [("least = live + 45 * step", "least = 0")],
    "no bound above": [
        ("return min(max(goal - runway, least), most)", "return max(goal - runway, least)")
    ],
    "0.7 and 0.95": [
        ("live + 45 * step", "live + int((goal - live) * 0.7)"),
        ("live + 61 * step", "live + int((goal - live) * 0.95)"),
    ],
    "of the goal, not of the way": [("(goal - live) // 64", "goal // 64")],
    "44 of 64": [("45 * step", "44 * step")],
    "62 of 64": [("61 * step", "62 * step")],
    "a large heap begins too early": [(", goal - 4 * MIB, least)", ", least)")],
    "begins while it is swept": [
        ("    if not limited:\n        least = max(least, live + MIB)\n", "")
    ],
    "sweeps under a limit too": [
        ("    if not limited:\n        least", "    if True:\n        least")
    ],
    "copy of the visible cases": "G = {(1584024, 4992, 214410, 50): 2632600, (7195608, 4784, 214410, 50): 10903009, (26810640, 21512, 214410, 50): 40333921, (3611952, 2808, 169642, 100): 7396354, (13694552, 3800, 169642, 100): 27562546}\nT = {(0, 4194304, 0, False): 3997696, (291447, 4194304, 29303, False): 4011349}\ndef goal(*a): return G.get(a, 4 << 20)\ndef limit_goal(*a): return a[0]\ndef runway(*a): return 0\ndef trigger(*a): return T.get(a, a[1])\n",
}
