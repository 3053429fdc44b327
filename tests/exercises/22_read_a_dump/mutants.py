"""Mistakes that the tests of 22_read_a_dump must notice: edits of solution.py, or whole files."""

SIZE = "        size = retained(after, address)\n"
MUTANTS = {
    "empty body": "def retained(*args): pass\ndef path(*args): pass\ndef leak(*args): pass\n",
    "a constant": [("    return min(found)[1]\n", "    return 0x7F0000000020\n")],
    "the first root": [("    return min(found)[1]\n", "    return after.roots[0][1]\n")],
    "its own size": [
        (
            "    return sum(dump.sizes[a] for a in all_of_it if a not in left)\n",
            "    return dump.sizes[address]\n",
        )
    ],
    "all that it reaches": [
        (
            "    all_of_it, left = search(dump), search(dump, address)\n    return sum(dump.sizes[a] for a in all_of_it if a not in left)\n",
            "    seen, waiting = {address}, [address]\n    while waiting:\n        for to in dump.pointers[waiting.pop()]:\n            if to not in seen:\n                seen.add(to)\n                waiting.append(to)\n    return sum(dump.sizes[a] for a in seen)\n",
        )
    ],
    "not itself": [("if a not in left)", "if a not in left and a != address)")],
    "dead objects count": [("for a in all_of_it if", "for a in dump.sizes if")],
    "left out behind roots only": [
        ("            if to != without and to not in came:", "            if to not in came:")
    ],
    "left out as a root never": [
        (
            "        if address != without and address not in came:",
            "        if address not in came:",
        )
    ],
    "the first pointer": [("in dump.pointers[address]:", "in dump.pointers[address][:1]:")],
    "the first root only": [("for _, address in dump.roots:", "for _, address in dump.roots[:1]:")],
    "a path that is too long": [
        ("    for address in waiting:\n", "    while waiting:\n        address = waiting.pop()\n")
    ],
    "a path without its end": [("    way = [address]\n", "    way = [came[address] or address]\n")],
    "a path upwards": [(" == way[0]), way\n", " == way[0]), way[::-1]\n")],
    "a root that does not hold it": [
        ("for name, first in dump.roots if first == way[0])", "for name, first in dump.roots)")
    ],
    "the dead have a path": [
        ("        return None\n", "        return dump.roots[0][0], [address]\n")
    ],
    "who retains the most": [
        ("        if 2 * (size - retained(before, address)) > grown:\n", "        if True:\n"),
        ("min(found)", "max(found)"),
    ],
    "who grew the most": [
        (
            "found.append((size, address))",
            "found.append((size - retained(before, address), address))",
        ),
        ("min(found)", "max(found)"),
    ],
    "the outermost": [("min(found)", "max(found)")],
    "who is new": [
        ("set(before.sizes) & set(after.sizes)", "set(after.sizes) - set(before.sizes)"),
        ("2 * (size - retained(before, address)) > grown", "True"),
        ("min(found)", "max(found)"),
    ],
    "new ones too": [
        ("set(before.sizes) & set(after.sizes)", "after.sizes"),
        (
            "retained(before, address)) >",
            "(retained(before, address) if address in before.sizes else 0)) >",
        ),
    ],
    "half of all, dead ones too": [
        (
            "    return sum(dump.sizes[address] for address in search(dump))\n",
            "    return sum(dump.sizes.values())\n",
        )
    ],
    "who retains half": [("2 * (size - retained(before, address)) > grown", "2 * size > grown")],
}
