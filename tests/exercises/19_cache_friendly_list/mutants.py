"""Mistakes that the tests of 19_cache_friendly_list must notice: edits of solution.py, or files."""

MUTANTS = {
    "empty body": "class List:\n    def __init__(self, heap): pass\n    def insert(self, i, value): pass\n    def delete(self, i): pass\n    def __len__(self): return 0\n    def __iter__(self): return iter([])\n    def addresses(self): return []\n",
    "a list of Python's": "import gcsim\nclass List(list):\n    def __init__(self, heap): self.heap = heap\n    def delete(self, i): return self.pop(i)\n    def addresses(self):\n        self.copy = self.heap.new_slice(gcsim.i64, len(self))\n        self.copy[:] = list(self)\n        return [self.copy.address + 8 * i for i in range(len(self))]\n",
    "an array": """import gcsim
class List:
    def __init__(self, heap): self.values = heap.new_slice(gcsim.i64)
    def insert(self, i, value): self.values = self.values.insert(i, value)
    def delete(self, i):
        value, n = self.values[i], len(self.values)
        self.values[i : n - 1] = list(self.values[i + 1 :])
        self.values = self.values[: n - 1]
        return value
    def __len__(self): return len(self.values)
    def __iter__(self): return iter(list(self.values))
    def addresses(self): return [self.values.address + 8 * i for i in range(len(self))]
""",
    "a plain list": """import gcsim
from gcsim import i64, ptr
@gcsim.struct
class Node:
    next: ptr["Node"]
    value: i64
class List:
    def __init__(self, heap): self.heap, self.head = heap, heap.new(Node)
    def nodes(self):
        node = self.head.next
        while node is not None:
            yield node
            node = node.next
    def before(self, i):
        node = self.head
        for _ in range(i): node = node.next
        return node
    def insert(self, i, value):
        at = self.before(i)
        at.next = self.heap.new(Node, value=value, next=at.next)
    def delete(self, i):
        at = self.before(i)
        gone = at.next
        at.next = gone.next
        return gone.value
    def __len__(self): return sum(1 for _ in self.nodes())
    def __iter__(self): return (node.value for node in self.nodes())
    def addresses(self): return [gcsim.address(node) + 8 for node in self.nodes()]
""",
    "small nodes": [("ROOM = 30", "ROOM = 6"), ("array[i64, 30]", "array[i64, 6]")],
    "large nodes": [("ROOM = 30", "ROOM = 254"), ("array[i64, 30]", "array[i64, 254]")],
    "nodes half used": [("array[i64, 30]", "array[i64, 62]")],
    "the pointer last": [
        (
            '    next: ptr["Node"]\n    count: i64\n    values: array[i64, 30]\n',
            '    count: i64\n    values: array[i64, 30]\n    next: ptr["Node"]\n',
        )
    ],
    "a reference for each node": [
        (
            "    def nodes(self):\n        node = self.first\n",
            "    def nodes(self):\n        node, self.known = self.first, []\n",
        ),
        (
            "            yield node\n            node = node.next\n",
            "            self.known.append(node)\n            yield node\n            node = node.next\n",
        ),
    ],
    "a copy in Python": [
        (
            "        self.size += 1\n",
            "        self.size += 1\n        self.copy = list(self.each())\n",
        ),
        ("        self.size -= 1\n", "        self.size -= 1\n        self.copy.pop(i)\n"),
        (
            "    def __iter__(self):\n",
            '    def __iter__(self):\n        return iter(getattr(self, "copy", []))\n\n    def each(self):\n',
        ),
    ],
    "nothing is merged": [
        ("if following is not None and", "if False and"),
        ("        if at == node.count:", "        while at == node.count:"),
    ],
    "merged when one too many": [("following.count <= ROOM:", "following.count <= ROOM + 1:")],
    "a merged node stays in the list": [("            node.next = following.next\n", "")],
    "a merge forgets the rest": [
        ("            node.next = following.next\n", "            node.next = None\n")
    ],
    "a split forgets the rest": [
        (
            "self.heap.new(Node, next=node.next, count=ROOM - half)",
            "self.heap.new(Node, count=ROOM - half)",
        )
    ],
    "a split loses a value": [("for k in range(half, ROOM):", "for k in range(half + 1, ROOM):")],
    "inserted in the wrong half": [
        (
            "            if at > half:\n                node, at = node.next, at - half\n",
            "            at = min(at, half)\n",
        )
    ],
    "shifted from the first on": [("range(node.count, at, -1)", "range(at + 1, node.count + 1)")],
    "deletes behind a node's end": [
        ("        if at == node.count:\n            node, at = node.next, 0\n", "")
    ],
    "returns the next value": [("        return value\n", "        return node.values[at]\n")],
    "the deleted are kept": [
        (
            "            node.next = following.next\n",
            "            node.next, following.next = following.next, self.gone\n            self.gone = following\n",
        ),
        ("heap, heap.new(Node), 0\n", "heap, heap.new(Node), 0\n        self.gone = None\n"),
    ],
    "addresses made up": [
        (
            "[n.values.address + 8 * k for n in self.nodes() for k in range(n.count)]",
            "[self.first.values.address + 8 * k for k in range(self.size)]",
        )
    ],
    "one list for all": [
        (
            "        self.heap, self.first, self.size = heap, heap.new(Node), 0\n",
            '        kind = type(self)\n        if getattr(kind, "heap", None) is not heap:\n            kind.heap, kind.first = heap, heap.new(Node)\n        self.size = 0\n',
        )
    ],
    "a new node for each insert": [
        (
            "        self.size += 1\n",
            "        self.size += 1\n        for _ in range(3):\n            self.heap.new(Node)\n",
        )
    ],
}
