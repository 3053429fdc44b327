from types import CellType
from typing import Any, TypeVar

from gcsim._types import TypeInfo

_T = TypeVar("_T")

class Scope:
    own: dict[str, Any]
    local: dict[str, Any]
    def __init__(
        self,
        own: dict[str, Any],
        local: dict[str, Any],
        cells: dict[str, CellType],
        global_names: tuple[dict[str, Any], ...],
    ) -> None: ...
    def evaluate(self, text: str) -> Any: ...
    def __getitem__(self, name: str) -> Any: ...

class Declaration:
    name: str
    module: str
    qualname: str
    annotations: dict[str, Any]
    bases: list[type]
    scope: Scope
    def __init__(self, cls: type, annotations: dict[str, Any], scope: Scope) -> None: ...
    @property
    def __name__(self) -> str: ...
    @property
    def cls(self) -> type | None: ...
    def bind(self, cls: type) -> None: ...
    def __call__(self, cls: type) -> TypeInfo: ...
    def __gcsim_resolve__(self, final: bool = True, path: tuple[Any, ...] = ()) -> TypeInfo: ...

def struct(cls: type[_T]) -> type[_T]: ...
