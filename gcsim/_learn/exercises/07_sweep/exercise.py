"""Write sweep. README.md says how; replace each todo(...)."""

from gcsim.learn import todo


def sweep(allocated: list[bool], marked: list[bool]) -> tuple[list[bool], int]:
    """The new allocation bits of a span, and how many objects were freed."""
    todo("sweep a span")


def state(allocated: list[bool]) -> str:
    """What becomes of the span: "free", "partial" or "full"."""
    todo("say what becomes of it")


def next_free(allocated: list[bool], index: int) -> int | None:
    """The first free slot from `index` on; None: the span has none any more."""
    todo("find the next free slot")
