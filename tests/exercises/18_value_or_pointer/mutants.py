"""Mistakes that the tests of 18_value_or_pointer must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "".join(
        f"def {name}(*args): pass\n"
        for name in ("values", "pointers", "block", "watch", "copies", "choose")
    ),
    "lists instead of slices": [
        (
            "return fill(heap.new_slice(Record, len(rows)), rows)",
            "return [heap.new(Record, id=i, hits=h) for i, h in rows]",
        )
    ],
    "values by appending": [
        (
            "return fill(heap.new_slice(Record, len(rows)), rows)",
            "made = heap.new_slice(Record)\n    for _ in rows:\n        made = made.append(heap.new(Record))\n    return fill(made, rows)",
        )
    ],
    "room for twice as many": [
        ("heap.new_slice(Record, len(rows))", "heap.new_slice(Record, len(rows), 2 * len(rows))")
    ],
    "id and hits exchanged": [
        (
            "records[i].id, records[i].hits = number, hits",
            "records[i].hits, records[i].id = number, hits",
        )
    ],
    "pointers into a block": [
        ("        made[i] = heap.new(Record)\n", "        made[i] = shared[i]\n"),
        (
            "    made = heap.new_slice(gcsim.ptr[Record], len(rows))\n",
            "    made, shared = heap.new_slice(gcsim.ptr[Record], len(rows)), heap.new_slice(Record, len(rows))\n",
        ),
    ],
    "the block is values": [
        ("    return watch(heap, Record, records, range(len(rows)))\n", "    return records\n")
    ],
    "the block is pointers": [
        ("    records = values(heap, Record, rows)\n", "    return pointers(heap, Record, rows)\n")
    ],
    "watched copies": [
        (
            "shared[i] = records[which]",
            "shared[i] = heap.new(Record, id=records[which].id, hits=records[which].hits)",
        )
    ],
    "watch the first": [("shared[i] = records[which]", "shared[i] = records[i % len(records)]")],
    "watch them in order": [("enumerate(wanted)", "enumerate(sorted(wanted))")],
    "a copy that is resliced": [
        (
            "    own = heap",
            '    if records.elem.kind == "struct":\n        return records[:]\n    own = heap',
        )
    ],
    "a copy of pointers": [
        (
            "own = heap.new_slice(Record, len(records))",
            "own = heap.new_slice(gcsim.ptr[Record], len(records))",
        )
    ],
    "a copy without its name": [
        (
            "        own[i] = records[i]\n",
            "        own[i].id, own[i].hits = records[i].id, records[i].hits\n",
        )
    ],
    "always values": [("return min(right, key=cost)", 'return "values"')],
    "always pointers": [("return min(right, key=cost)", 'return "pointers"')],
    "values unless watched": [
        ("return min(right, key=cost)", 'return "block" if watched else "values"')
    ],
    "lost writes do not matter": [('["pointers", "block"] if watched and inserts else ', "")],
    "moves cost nothing": [("moved = sum(range(count, count + inserts)) * elem", "moved = 0")],
    "cycles cost nothing": [("cycles * (scanned + 64 * marked)", "0")],
    "all live to the end": [("        if alone:\n", "        if False:\n")],
    "a block is freed by and by": [("live = last + block", "live = last + block * (not alone)")],
    "a number": [("return min(right, key=cost)", "return right.index(min(right, key=cost))")],
}
