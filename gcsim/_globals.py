"""``heap.globals``: the named roots of a heap as a mutable mapping."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from gcsim import _core


class Globals(_core.Globals, MutableMapping[str, Any]):
    """Named roots: what a value refers to lives at least as long as the name.

    Values are references, slices, maps, str or None; other values raise ConversionError, those of
    another heap WrongHeapError. A name that is not there raises UnknownNameError (a KeyError).
    A mapping is a view: every ``heap.globals`` shows the same names.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
