"""A solution of 22_read_a_dump."""


def search(dump, without=None):
    """Of each object that roots reach, breadth first, the one before it on the way."""
    came, waiting = {}, []
    for _, address in dump.roots:
        if address != without and address not in came:
            came[address] = None
            waiting.append(address)
    for address in waiting:
        for to in dump.pointers[address]:
            if to != without and to not in came:
                came[to] = address
                waiting.append(to)
    return came


def retained(dump, address):
    all_of_it, left = search(dump), search(dump, address)
    return sum(dump.sizes[a] for a in all_of_it if a not in left)


def path(dump, address):
    came = search(dump)
    if address not in came:
        return None
    way = [address]
    while came[way[0]] is not None:
        way.insert(0, came[way[0]])
    return next(name for name, first in dump.roots if first == way[0]), way


def reachable(dump):
    return sum(dump.sizes[address] for address in search(dump))


def leak(before, after):
    grown = reachable(after) - reachable(before)
    found = []
    for address in set(before.sizes) & set(after.sizes):
        size = retained(after, address)
        if 2 * (size - retained(before, address)) > grown:
            found.append((size, address))
    return min(found)[1]
