"""A solution of 09_break_yuasa."""

from collections import deque


def find(begin):
    first = begin()
    waiting, seen = deque([(first, [])]), {first.key}
    while waiting:
        state, steps = waiting.popleft()
        if state.lost:
            return steps
        for who in state.ready:
            for way in range(state.ways(who)):
                after = state.after(who, way)
                if after.key not in seen:
                    seen.add(after.key)
                    waiting.append((after, [*steps, (who, way)]))
    return None
