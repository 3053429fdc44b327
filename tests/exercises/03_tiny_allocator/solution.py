"""A solution of 03_tiny_allocator."""

BLOCK = 16


class Tiny:
    def __init__(self) -> None:
        self.block, self.used, self.taken = -1, BLOCK, 0

    def place(self, size: int) -> tuple[int, int]:
        align = 8 if size % 8 == 0 else 4 if size % 4 == 0 else 2 if size % 2 == 0 else 1
        at = (self.used + align - 1) // align * align
        if self.block >= 0 and at + size <= BLOCK:
            self.used = at + size
            return self.block, at
        new = self.taken
        self.taken += 1
        if self.block < 0 or size < self.used:
            self.block, self.used = new, size
        return new, 0
