"""A solution of 04_places."""

import math

SIGNS = {"&": -1, "": 0, "*": 1}


def alone(kind, size):
    if kind in ("package", "constant"):
        return "data"
    return "heap" if size > (128 << 10 if kind == "var" else 64 << 10) else "stack"


def places(values, flows):
    place = {name: alone(*value) for name, value in values.items()}
    left = {"return"} | {name for name, value in values.items() if value[0] == "package"}
    least = dict.fromkeys(values, math.inf)
    changed = True
    while changed:
        changed = False
        for target, sign, source in flows:
            outlives = target in left or target[0] == "*"
            count = (0 if outlives else max(least[target], 0)) + SIGNS[sign]
            if count < least[source]:
                least[source], changed = count, True
                if count < 0 and place[source] == "stack":
                    place[source] = "heap"
    return place
