"""A solution of 12_gc_monitor."""

import re

CYCLE = re.compile(
    r"gc (\d+) @([\d.]+)s \d+%: T\+T\+T ms clock, T\+T/T/T\+T ms cpu,"
    r" (\d+)->(\d+)->(\d+) MB, \d+ MB goal, \d+ MB stacks, \d+ MB globals, (\d+) P( \(forced\))?".replace(
        "T", r"([\d.]+)"
    )
)


class Monitor:
    def __init__(self, pause_ms, cpu):
        self.pause_ms, self.cpu = pause_ms, cpu
        self.number, self.ended, self.busy = 0, 0.0, 0
        self.cycles = self.forced = self.lost = self.peak = 0
        self.stop_ms = self.worst = 0.0
        self.alerts = []

    def line(self, text):
        found = CYCLE.fullmatch(text.strip())
        if not found:
            return None
        number, at, *rest, forced = found.groups()
        stop1, mark, stop2, *cpu = map(float, rest[:8])
        heap, procs, number = tuple(map(int, rest[8:11])), int(rest[11]), int(number)
        ended = float(at) * 1000 + stop1 + mark + stop2
        between = ended - self.ended
        share = None
        if number == self.number + 1 and between > 0:
            share = (sum(cpu) - cpu[3]) / (between * procs)
        self.busy = self.busy + 1 if share is not None and share > self.cpu else 0
        alerts = ["pause"] if max(stop1, stop2) > self.pause_ms else []
        alerts += ["cpu"] if self.busy >= 3 else []
        self.lost += number - self.number - 1
        self.number, self.ended = number, ended
        self.cycles += 1
        self.forced += bool(forced)
        self.stop_ms += stop1 + stop2
        self.worst = max(self.worst, stop1, stop2)
        self.peak = max(self.peak, *heap)
        self.alerts += [(number, alert) for alert in alerts]
        return {
            "number": number,
            "forced": bool(forced),
            "stops_ms": (stop1, stop2),
            "heap_mb": heap,
            "cpu": share,
            "alerts": alerts,
        }

    def report(self):
        return {
            "cycles": self.cycles,
            "forced": self.forced,
            "lost": self.lost,
            "stop_ms": self.stop_ms,
            "worst_stop_ms": self.worst,
            "mean_stop_ms": self.stop_ms / self.cycles if self.cycles else 0.0,
            "peak_mb": self.peak,
            "alerts": self.alerts,
        }


def new_pauses(seen, num_gc, pause_ns):
    first = max(seen + 1, num_gc - 255)
    return [pause_ns[(n + 255) % 256] for n in range(first, num_gc + 1)]
