"""A solution of 10_trigger_and_goal."""

MIB = 1 << 20


def goal(live, stacks, globals_, gogc, by_limit=None):
    if gogc is None:
        return by_limit
    by_percent = max(live + (live + stacks + globals_) * gogc // 100, 4 * MIB * gogc // 100)
    if by_limit is not None and by_limit < by_percent:
        return by_limit
    return max(by_percent, live + MIB)


def limit_goal(live, limit, mapped, heap):
    other = mapped - heap + max(mapped - limit, 0)
    if other >= limit:
        return live
    left = limit - other
    headroom = max(left // 100 * 3, MIB)
    return max(left - headroom, headroom, live)


def runway(cons_mark, scan):
    return int(cons_mark * 3 * scan)


def trigger(live, goal, runway, limited):
    if live >= goal:
        return goal
    step = (goal - live) // 64
    least = live + 45 * step
    if not limited:
        least = max(least, live + MIB)
    most = max(live + 61 * step, goal - 4 * MIB, least)
    return min(max(goal - runway, least), most)
