"""Mistakes that the tests of 03_tiny_allocator must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "class Tiny:\n    def place(self, size): pass\n",
    "constant": "class Tiny:\n    def place(self, size): return (0, 0)\n",
    "a block each": "class Tiny:\n    n = -1\n    def place(self, size):\n        self.n += 1\n        return (self.n, 0)\n",
    "no alignment": [("at = (self.used + align - 1) // align * align", "at = self.used")],
    "aligned to 8 always": [
        (
            "align = 8 if size % 8 == 0 else 4 if size % 4 == 0 else 2 if size % 2 == 0 else 1",
            "align = 8",
        )
    ],
    "no alignment to 8": [("8 if size % 8 == 0 else 4", "4")],
    "no alignment to 2": [("2 if size % 2 == 0 else 1", "1")],
    "aligned by the next power of two": [
        (
            "8 if size % 8 == 0 else 4 if size % 4 == 0 else 2 if size % 2 == 0 else 1",
            "8 if size > 4 else 4 if size > 2 else size",
        )
    ],
    "one byte too many": [("at + size <= BLOCK", "at + size <= BLOCK + 1")],
    "one byte too few": [("at + size <= BLOCK", "at + size < BLOCK")],
    "the new block is always current": [("if self.block < 0 or size < self.used:", "if True:")],
    "the new block never is": [("if self.block < 0 or size < self.used:", "if self.block < 0:")],
    "equal room is enough": [("size < self.used", "size <= self.used")],
    "numbers from 1": [("-1, BLOCK, 0", "-1, BLOCK, 1")],
    "shared by all": [
        (
            "    def __init__(self) -> None:\n        self.block, self.used, self.taken = -1, BLOCK, 0\n\n",
            "    block, used, taken = -1, BLOCK, 0\n\n",
        ),
        ("self.taken += 1", "Tiny.taken += 1"),
    ],
}
