"""A solution of 11_choose_gogc."""


def choose(live, spike, budget, machine, other):
    if budget == machine:
        return None, machine
    heap = budget - other
    return min(100 * (heap - live) // live, 100 * heap // (4 << 20)), machine
