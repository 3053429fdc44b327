"""A solution of 19_cache_friendly_list."""

import gcsim
from gcsim import array, i64, ptr

ROOM = 30


@gcsim.struct
class Node:
    next: ptr["Node"]
    count: i64
    values: array[i64, 30]


class List:
    def __init__(self, heap):
        self.heap, self.first, self.size = heap, heap.new(Node), 0

    def nodes(self):
        node = self.first
        while node is not None:
            yield node
            node = node.next

    def find(self, i):
        """The node with the i-th place, and where in it."""
        for node in self.nodes():
            if i <= node.count:
                return node, i
            i -= node.count

    def insert(self, i, value):
        node, at = self.find(i)
        if node.count == ROOM:
            half = ROOM // 2
            node.next = self.heap.new(Node, next=node.next, count=ROOM - half)
            for k in range(half, ROOM):
                node.next.values[k - half] = node.values[k]
            node.count = half
            if at > half:
                node, at = node.next, at - half
        for k in range(node.count, at, -1):
            node.values[k] = node.values[k - 1]
        node.values[at] = value
        node.count += 1
        self.size += 1

    def delete(self, i):
        node, at = self.find(i)
        if at == node.count:
            node, at = node.next, 0
        value = node.values[at]
        node.count -= 1
        for k in range(at, node.count):
            node.values[k] = node.values[k + 1]
        self.size -= 1
        following = node.next
        if following is not None and node.count + following.count <= ROOM:
            for k in range(following.count):
                node.values[node.count + k] = following.values[k]
            node.count += following.count
            node.next = following.next
        return value

    def __len__(self):
        return self.size

    def __iter__(self):
        for node in self.nodes():
            for k in range(node.count):
                yield node.values[k]

    def addresses(self):
        return [n.values.address + 8 * k for n in self.nodes() for k in range(n.count)]
