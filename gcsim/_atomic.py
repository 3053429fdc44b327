"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes | Iterable[bytes]) -> None:
    """Writes a file, in pieces if given those, under another name beside it, then renames it.

    When anything fails, what was at `path` before is there still, and nothing else. Raises OSError,
    and what `data` raises.
    """
    to = Path(path)
    fresh = to.with_name(f"{to.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            file.writelines((data,) if isinstance(data, bytes) else data)
        os.replace(fresh, to)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
