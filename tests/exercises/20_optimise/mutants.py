"""Mistakes that the tests of 20_optimise must notice: edits of solution.py, or whole files."""

ADD = "    name, status, size = bytes(line).decode().split()\n"
GROW = "    text.grow(sum(map(len, lines)))\n"


def outside(before, where, after):
    """A project that keeps what it knows in Python."""
    return f"""import gcsim
{before}
@gcsim.struct
class State:
    n: gcsim.i64
def start(heap):
    state = heap.new(State)
    {where}[gcsim.address(state)] = {{}}
    return state
def add(heap, state, line):
    host, status, size = bytes(line).decode().split()
    h = {where}[gcsim.address(state)].setdefault(host, [0, 0, 0, 0])
    s = 0 if size == '-' else int(size)
    h[:] = h[0] + 1, h[1] + (int(status) >= 500), h[2] + s, max(h[3], s)
def report(heap, state):
    hosts = {where}[gcsim.address(state)]
    text = heap.builder()
    for k in sorted(hosts):
        text.write(' '.join(map(str, [k, *hosts[k]])) + chr(10))
    return text
{after}
"""


MUTANTS = {
    "empty body": "def start(heap): pass\ndef add(heap, state, line): pass\ndef report(heap, state): pass\n",
    "all in Python": "hosts = {}\nimport gcsim\n@gcsim.struct\nclass State:\n    n: gcsim.i64\ndef start(heap):\n    hosts.clear()\n    return heap.new(State)\ndef add(heap, state, line):\n    host, status, size = bytes(line).decode().split()\n    h = hosts.setdefault(host, [0, 0, 0, 0])\n    s = 0 if size == '-' else int(size)\n    h[:] = h[0] + 1, h[1] + (int(status) >= 500), h[2] + s, max(h[3], s)\ndef report(heap, state):\n    return heap.to_bytes(''.join(f'{k} {\" \".join(map(str, hosts[k]))}\\n' for k in sorted(hosts)))\n",
    "a dict for each state": outside("kept = {}\n", "kept", ""),
    "a dict of a class": outside("class Kept:\n    by = {}\n", "Kept.by", ""),
    "a dict of a function": outside("", "start.by", "start.by = {}\n"),
    "a copy of each line": [(ADD, "    line = heap.to_bytes(bytes(line))\n" + ADD)],
    "a copy of each name": [(ADD, ADD + "    heap.to_bytes(name)\n")],
    "an object for each line": [
        (
            "    host.requests += 1\n",
            "    old = host\n    host = heap.new(Host, requests=old.requests, errors=old.errors, bytes=old.bytes, largest=old.largest)\n    state.hosts[name] = host\n    host.requests += 1\n",
        )
    ],
    "keeps the sizes": [
        ("    largest: i64\n", "    largest: i64\n    sizes: slice_[i64]\n"),
        ("import i64, map_, ptr, string", "import i64, map_, ptr, slice_, string"),
        (
            "        host = heap.new(Host)\n",
            "        host = heap.new(Host, sizes=heap.new_slice(i64))\n",
        ),
        (
            "    host.bytes += size\n",
            "    host.bytes += size\n    host.sizes = host.sizes.append(size)\n",
        ),
    ],
    "a report by +=": [
        ("    text = heap.builder()\n" + GROW, "    text = heap.to_bytes('')\n"),
        (
            "        text.write(line)\n",
            "        text = heap.to_bytes(bytes(text) + line.encode())\n",
        ),
    ],
    "a report in a string": [("    return text\n", "    return text.string()\n")],
    "room for thousands": [
        ("heap.new_map(string, ptr[Host])", "heap.new_map(string, ptr[Host], 5000)")
    ],
    "a large buffer": [(GROW, "    text.grow(1 << 16)\n")],
    "the order of the map": [("for name in sorted(state.hosts):", "for name in state.hosts:")],
    "404 is an error": [("int(status) >= 500", "int(status) >= 400")],
    "500 is none": [("int(status) >= 500", "int(status) > 500")],
    "the smallest": [("max(host.largest, size)", "min(host.largest or size, size)")],
    "the last one is the largest": [("max(host.largest, size)", "size")],
    "lines without bytes are skipped": [
        ("    host.requests += 1\n", "    host.requests += size > 0\n")
    ],
    "a report ends it": [("    return text\n", "    state.hosts.clear()\n    return text\n")],
    "collects by itself": [(ADD, ADD + "    heap.collect()\n")],
    "no last line": [("    for line in lines:\n", "    for line in lines[:-1]:\n")],
}
