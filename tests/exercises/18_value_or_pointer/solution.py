"""A solution of 18_value_or_pointer."""

import gcsim


def fill(records, rows):
    for i, (number, hits) in enumerate(rows):
        records[i].id, records[i].hits = number, hits
    return records


def values(heap, Record, rows):
    return fill(heap.new_slice(Record, len(rows)), rows)


def pointers(heap, Record, rows):
    made = heap.new_slice(gcsim.ptr[Record], len(rows))
    for i in range(len(rows)):
        made[i] = heap.new(Record)
    return fill(made, rows)


def block(heap, Record, rows):
    records = values(heap, Record, rows)
    return watch(heap, Record, records, range(len(rows)))


def watch(heap, Record, records, wanted):
    shared = heap.new_slice(gcsim.ptr[Record], len(wanted))
    for i, which in enumerate(wanted):
        shared[i] = records[which]
    return shared


def copies(heap, Record, records):
    own = heap.new_slice(Record, len(records))
    for i in range(len(records)):
        own[i] = records[i]
    return own


def choose(Record, count, inserts, watched, alone, cycles):
    size, read = gcsim.sizeof(Record), gcsim.layout(Record).ptr_bytes

    def slot(bytes, scan):
        return gcsim.size_class(bytes, not scan).slot_bytes

    def cost(form):
        elem, scan = (size, read > 0) if form == "values" else (8, True)
        first = last = slot(count * elem, scan)
        if inserts:  # a full slice of less than 256 doubles
            last = slot(2 * count * elem, scan)
        block = slot(count * size, read > 0) if form == "block" else 0
        singles = {"values": 0, "pointers": count + inserts, "block": inserts}[form]
        allocated = first + last * (inserts > 0) + block + singles * slot(size, read > 0)
        moved = sum(range(count, count + inserts)) * elem
        if alone:
            singles = watched if form == "pointers" else 0
            last = first if form == "values" else 0
        live = last + block + singles * slot(size, read > 0)
        scanned = last * scan + block * (read > 0) + singles * read
        marked = (last > 0) + (block > 0) + singles
        return allocated + moved + cycles * (scanned + 64 * marked) + live

    right = ["pointers", "block"] if watched and inserts else ["values", "pointers", "block"]
    return min(right, key=cost)
