"""A solution of 20_optimise."""

import gcsim
from gcsim import i64, map_, ptr, string


@gcsim.struct
class Host:
    requests: i64
    errors: i64
    bytes: i64
    largest: i64


@gcsim.struct
class State:
    hosts: map_[string, ptr[Host]]


def start(heap):
    return heap.new(State, hosts=heap.new_map(string, ptr[Host]))


def add(heap, state, line):
    name, status, size = bytes(line).decode().split()
    size = 0 if size == "-" else int(size)
    host = state.hosts.get(name)
    if host is None:
        host = heap.new(Host)
        state.hosts[name] = host
    host.requests += 1
    host.errors += int(status) >= 500
    host.bytes += size
    host.largest = max(host.largest, size)


def report(heap, state):
    lines = []
    for name in sorted(state.hosts):
        h = state.hosts[name]
        lines.append(f"{name} {h.requests} {h.errors} {h.bytes} {h.largest}\n")
    text = heap.builder()
    text.grow(sum(map(len, lines)))
    for line in lines:
        text.write(line)
    return text
