"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file to write in the block. It stands at `path` when the block has ended; when that
    fails (no room, Ctrl-C), what stood there before still does.

    It is written beside `path` under a name of its own, then renamed. A pipe or a device is written
    as it is. Raises OSError.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as there:
            yield there
        return
    target = os.path.realpath(path)  # a link stays a link
    fresh = f"{target}.{os.getpid()}.new"
    try:
        with open(fresh, "wb") as file:
            yield file
        if os.path.exists(target):
            shutil.copymode(target, fresh)
        os.replace(fresh, target)
    except BaseException:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise


def write_whole(file: str | os.PathLike[str] | IO[bytes], data: bytes | str) -> None:
    """To a path or a binary file: bytes, or text as UTF-8 with its line ends as they are.

    Raises OSError.
    """
    if isinstance(data, str):
        data = data.encode()
    if not isinstance(file, str | os.PathLike):
        file.write(data)
        return
    with whole(file) as fresh:
        fresh.write(data)
