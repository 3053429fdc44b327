"""Write mark. README.md says how; replace todo(...)."""

from collections.abc import Callable

from gcsim.learn import todo


def mark(
    roots: list[int],
    pointers: Callable[[int], list[int | None]],
    is_marked: Callable[[int], bool],
    set_mark: Callable[[int], None],
) -> None:
    """Marks every object that the roots lead to.

    roots: addresses of objects. pointers(address): what the object there points to, None for nil.
    """
    todo("mark what is alive")
