"""Mistakes that the tests of 16_four_leaks must notice: edits of solution.py, or whole files."""

CHANNEL = "heap.make_chan(i64, len(servers))"
DELETE = "        del table[user]\n"
TITLE = "        title = self.heap.new_slice(u8, end)\n        title.copy_from(page[:end])\n"
SIZE = "    size: i64\n"
MAKE = "self.heap.new(Handler, size=lines(body))"
CALL = "        return table[event].size\n"

MUTANTS = {
    "empty body": "def first_answer(heap, servers): pass\n\n\nclass Sessions:\n    def __init__(self, heap): pass\n\n\nclass Titles(Sessions): pass\n\n\nclass Handlers(Sessions): pass\n",
    # three of four
    "goroutines not repaired": [(CHANNEL, "heap.make_chan(i64)")],
    "sessions not repaired": [
        (DELETE, "        table[user][1] = 1\n"),
        ("return user in table", "return user in table and table[user][1] == 0"),
    ],
    "titles not repaired": [(TITLE, "        title = page[:end]\n")],
    "handlers not repaired": [
        (SIZE, "    body: slice_[u8]\n"),
        (MAKE, "self.heap.new(Handler, body=body)"),
        (CALL, "        return lines(table[event].body)\n"),
    ],
    # goroutines
    "a place for one": [(CHANNEL, "heap.make_chan(i64, 1)")],
    "a place for ten": [(CHANNEL, "heap.make_chan(i64, 10)")],
    "two places too few": [("len(servers))", "max(0, len(servers) - 2))")],
    "asks one server": [("for server in servers:", "for server in servers[:1]:")],
    "asks one after the other": [
        (CHANNEL, "heap.make_chan(i64)"),
        (
            "        server(ch)\n",
            '        server(ch)\n        one = heap.goroutine("one")\n        last = one.receive(ch).value\n        one.end()\n',
        ),
        (
            '    me = heap.goroutine("main.firstAnswer")\n    answer = me.receive(ch).value\n    me.end()\n    return answer',
            "    return last",
        ),
    ],
    "does not end itself": [("    me.end()\n", "")],
    "kills who is left": [
        (CHANNEL, "heap.make_chan(i64)"),
        ("    me.end()\n", "    for g in heap.goroutines():\n        g.end()\n"),
    ],
    # sessions
    "an entry with nil": [
        (DELETE, "        table[user] = None\n"),
        ("return user in table", "return user in table and table[user] is not None"),
    ],
    "all are logged out": [(DELETE, "        table.clear()\n")],
    "a new login goes on with the old session": [
        (
            "        table[user] = self.heap.new_slice(u8, 4096)",
            "        table[user] = self.heap.new_slice(u8, 4096)\n        table[user][0] = 1",
        ),
    ],
    "sessions in Python": [
        ("        del table[user]\n", "        del table[user]\n        del self.mine[user]\n"),
        (
            "        table[user] = self.heap.new_slice(u8, 4096)",
            "        self.mine = getattr(self, 'mine', {})\n        self.mine[user] = self.heap.new_slice(u8, 8)\n        table[user] = self.mine[user].reslice(0, 8)",
        ),
        (
            'heap.globals["sessions"] = table',
            'heap.globals["sessions"] = None\n        self.table = table',
        ),
        ('        table = self.heap.globals["sessions"]\n', "        table = self.table\n"),
    ],
    "sessions end with the first request": [
        (
            "        return table[user][0]\n",
            "        n = table[user][0]\n        del table[user]\n        return n\n",
        ),
        ("        del table[user]\n\n", "        table.pop(user, None)\n\n"),
    ],
    # titles
    "a smaller capacity": [(TITLE, "        title = page.reslice(0, end, end)\n")],
    "a copy of the page": [
        (
            TITLE,
            "        title = self.heap.new_slice(u8, len(page))\n        title.copy_from(page)\n        title = title[:end]\n",
        )
    ],
    "room for the page": [
        (
            TITLE,
            "        title = self.heap.new_slice(u8, end, len(page))\n        title.copy_from(page[:end])\n",
        )
    ],
    "titles in Python": [
        (
            TITLE,
            TITLE
            + "        self.mine = {**getattr(self, 'mine', {}), number: title}\n        title = None\n",
        ),
        ('return self.heap.globals["titles"][number]', "return self.mine[number]"),
    ],
    "the end of the line too": [
        ("new_slice(u8, end)", "new_slice(u8, end + 1)"),
        ("page[:end]", "page[: end + 1]"),
    ],
    "nothing is copied": [("        title.copy_from(page[:end])\n", "")],
    "titles of ten bytes": [
        ("        title.copy_from", "        title = title[:10]\n        title.copy_from")
    ],
    # handlers
    "the body is nil afterwards": [
        (SIZE, "    body: slice_[u8]\n"),
        (MAKE, "self.heap.new(Handler, body=None)"),
        (CALL, "        return lines(table[event].body or b'')\n"),
    ],
    "captures the body too": [
        (SIZE, "    size: i64\n    body: slice_[u8]\n"),
        (MAKE, "self.heap.new(Handler, size=lines(body), body=body)"),
    ],
    "captures a part of it": [
        (SIZE, "    size: i64\n    body: slice_[u8]\n"),
        (MAKE, "self.heap.new(Handler, size=lines(body), body=body[:1])"),
    ],
    "counts in a byte": [(SIZE, "    size: u8\n"), ("size=lines(body)", "size=lines(body) % 256")],
    "captures the length": [("size=lines(body)", "size=len(body)")],
    "one handler for all": [
        (
            "        table[event] = handler\n",
            "        table[event] = handler\n        for e in table:\n            table[e] = handler\n",
        )
    ],
    "numbers in Python": [
        (
            MAKE,
            "self.heap.new(Handler)\n        self.sizes = {**getattr(self, 'sizes', {}), event: lines(body)}",
        ),
        (CALL, "        return self.sizes[event]\n"),
    ],
}
