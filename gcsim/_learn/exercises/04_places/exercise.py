"""Place objects: stack, heap or data. README.md says how; replace each todo(...)."""

from gcsim.learn import todo


def alone(kind: str, size: int) -> str:
    """Where a value of that kind and size in bytes lies if its address goes nowhere.

    Returns "stack", "heap" or "data".
    """
    todo("place one value")


def places(values: dict[str, tuple[str, int]], flows: list[tuple[str, str, str]]) -> dict[str, str]:
    """Where each value of a function lies, by name: "stack", "heap" or "data".

    values: (kind, bytes) by name. flows: (target, sign, source), in the order of the function.
    """
    todo("follow the flows")
