"""Mistakes that the tests of 12_gc_monitor must notice: edits of solution.py, or whole files."""

EMPTY = "class Monitor:\n    def __init__(self, *limits): pass\n    def line(self, text): pass\n    def report(self): pass\n"

MUTANTS = {
    "empty body": EMPTY + "def new_pauses(*a): pass\n",
    "constant": EMPTY.replace(
        "report(self): pass",
        "report(self): return {'cycles': 0, 'forced': 0, 'lost': 0, 'stop_ms': 0.0, 'worst_stop_ms': 0.0, 'mean_stop_ms': 0.0, 'peak_mb': 0, 'alerts': []}",
    )
    + "def new_pauses(*a): return []\n",
    "the share since the program began": [
        ("(sum(cpu) - cpu[3]) / (between * procs)", 'int(text.split("%")[0].split()[-1]) / 100')
    ],
    "idle time counts": [("(sum(cpu) - cpu[3])", "sum(cpu)")],
    "stops do not count": [("(sum(cpu) - cpu[3])", "(cpu[1] + cpu[2])")],
    "assists do not count": [("(sum(cpu) - cpu[3])", "(sum(cpu) - cpu[1] - cpu[3])")],
    "of one processor": [("(between * procs)", "between")],
    "from start to start": [
        ("ended = float(at) * 1000 + stop1 + mark + stop2", "ended = float(at) * 1000")
    ],
    "seconds for ms": [("float(at) * 1000 +", "float(at) +")],
    "a lost line does not matter": [("number == self.number + 1 and between > 0", "between > 0")],
    "no time does not matter": [
        ("number == self.number + 1 and between > 0", "number == self.number + 1")
    ],
    "both stops together": [("max(stop1, stop2) > self.pause_ms", "stop1 + stop2 > self.pause_ms")],
    "the first stop only": [("max(stop1, stop2) > self.pause_ms", "stop1 > self.pause_ms")],
    "the second stop only": [("max(stop1, stop2) > self.pause_ms", "stop2 > self.pause_ms")],
    "marking is a pause": [
        ("max(stop1, stop2) > self.pause_ms", "max(stop1, mark, stop2) > self.pause_ms")
    ],
    "an alert for each busy cycle": [("self.busy >= 3", "self.busy >= 1")],
    "after two": [("self.busy >= 3", "self.busy >= 2")],
    "after four": [("self.busy >= 3", "self.busy >= 4")],
    "once in a row": [("self.busy >= 3", "self.busy == 3")],
    "three busy ones ever": [("> self.cpu else 0", "> self.cpu else self.busy")],
    "unknown does not interrupt": [
        (
            "        self.busy = self.busy + 1",
            "        if share is not None:\n            self.busy = self.busy + 1",
        )
    ],
    "torn lines too": [("fullmatch(text.strip())", "match(text.strip())")],
    "half a line is enough": [
        (
            'r" (\\d+)->(\\d+)->(\\d+) MB, \\d+ MB goal, \\d+ MB stacks, \\d+ MB globals, (\\d+) P( \\(forced\\))?"',
            'r" (\\d+)->(\\d+)->(\\d+) MB.*, (\\d+)(?: P( \\(forced\\))?.*)?"',
        )
    ],
    "forced cycles are none": [('( \\(forced\\))?".replace', '(x)?".replace')],
    "the line's end is in the way": [("fullmatch(text.strip())", "fullmatch(text)")],
    "lost lines are not counted": [("self.lost += number - self.number - 1", "pass")],
    "counts by the number": [("self.cycles += 1", "self.cycles = number")],
    "the last stop is the worst": [("max(self.worst, stop1, stop2)", "max(stop1, stop2)")],
    "the peak is of what lives": [("max(self.peak, *heap)", "max(self.peak, heap[2])")],
    "the peak is at the start": [("max(self.peak, *heap)", "max(self.peak, heap[0])")],
    "divides by zero": [
        ("self.stop_ms / self.cycles if self.cycles else 0.0", "self.stop_ms / self.cycles")
    ],
    "the mean of stops": [("self.stop_ms / self.cycles if", "self.stop_ms / self.cycles / 2 if")],
    "the newest pause only, as in the chapter": [
        (
            "    return [pause_ns[(n + 255) % 256] for n in range(first, num_gc + 1)]",
            "    return [pause_ns[(num_gc + 255) % 256]]",
        )
    ],
    "the ring is never full": [("max(seen + 1, num_gc - 255)", "seen + 1")],
    "the ring has 255": [("num_gc - 255", "num_gc - 254")],
    "the ring has 257": [("num_gc - 255", "num_gc - 256")],
    "off by one in the ring": [("(n + 255) % 256", "n % 256")],
    "seen again": [("max(seen + 1,", "max(seen or 1,")],
    "newest first": [("range(first, num_gc + 1)", "range(num_gc, first - 1, -1)")],
    "copy of the visible cases": "KNOWN = {1: ((1.4, 0.073), (3, 4, 3), 0.073666), 2: ((0.18, 3.7), (6, 7, 6), 0.177718), 3: ((1.5, 5.6), (11, 12, 9), 0.126633), 5: ((2.0, 10.0), (22, 24, 15), None), 6: ((0.012, 0.008), (9, 9, 8), None)}\nclass Monitor:\n    def __init__(self, *limits): self.n = 0\n    def line(self, text):\n        if 'globals, 2 P' not in text or 'more' in text or not text.startswith('gc'): return None\n        n = int(text.split()[1])\n        self.n += 1\n        if n not in KNOWN: return None\n        stops, heap, cpu = KNOWN[n]\n        return {'number': n, 'forced': n == 6, 'stops_ms': stops, 'heap_mb': heap, 'cpu': cpu, 'alerts': ['pause'] * (n in (3, 5))}\n    def report(self):\n        if not self.n: return {'cycles': 0, 'forced': 0, 'lost': 0, 'stop_ms': 0.0, 'worst_stop_ms': 0.0, 'mean_stop_ms': 0.0, 'peak_mb': 0, 'alerts': []}\n        return {'cycles': 5, 'forced': 1, 'lost': 1, 'stop_ms': 24.473, 'worst_stop_ms': 10.0, 'mean_stop_ms': 4.8946, 'peak_mb': 24, 'alerts': [(3, 'pause'), (5, 'pause')]}\ndef new_pauses(seen, n, ring): return [ring[(n + 255) % 256]]\n",
}
