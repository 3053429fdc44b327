"""What a student's code must leave as it is: the functions and classes that judge it.

A seal is taken before that code is imported and looked at after each test. It holds the identity of
everything that the sealed modules and their classes define; that the code of a function is replaced
is refused as it happens (child.py). What only caches (no functions, no classes) is left out.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

_PREFIXES = ("gcsim", "_pytest", "pytest", "pluggy")
_SINGLE = (builtins,)
_KINDS = (FunctionType, type, type(len), type(str.upper), property, staticmethod, classmethod)
_PER_TEST = ("_pytest.assertion.util._reprcompare", "_pytest.assertion.util._assertion_pass")


def _of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in list(vars(module).items()):
        if isinstance(value, _KINDS):
            yield f"{module.__name__}.{name}", value
        if isinstance(value, type) and value.__module__ == module.__name__:
            for key, member in list(vars(value).items()):
                if isinstance(member, _KINDS):
                    yield f"{module.__name__}.{name}.{key}", member


class Seal:
    """The state of what judges, to compare with later."""

    def __init__(self) -> None:
        names = [n for n in sys.modules if n.split(".")[0] in _PREFIXES]
        self._modules = [*_SINGLE, *(sys.modules[name] for name in names)]
        self._names = names
        # The values themselves are held, so that no other gets the address of one that is gone.
        self._kept = dict(self._all())

    def _all(self) -> Iterator[tuple[str, Any]]:
        for module in self._modules:
            yield from (found for found in _of(module) if found[0] not in _PER_TEST)

    def broken(self) -> str | None:
        """The name of something that is not what it was; None: all is."""
        for name, module in zip(self._names, self._modules[len(_SINGLE) :], strict=True):
            if sys.modules.get(name) is not module:
                return f"sys.modules[{name!r}]"
        now = dict(self._all())
        return next((name for name, kept in self._kept.items() if now.get(name) is not kept), None)
