"""Type arguments that a call of a generic function leaves out (types2/infer.go, simplified)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import types as T
from .nodes import Node
from .parse import Tree
from .scope import FuncObject, Scope, TypeObject


def infer(
    package: Any,
    found: FuncObject,
    given: tuple[T.Type, ...],
    values: list[Node],
    at: Any,
    tree: Tree,
    dots: bool,
) -> tuple[T.Type, ...]:
    """All type arguments: those given, then from the arguments, then from core types."""
    decl, file, scope = found.decl
    inner = Scope(scope)
    params = []
    for i, (word, _) in enumerate(found.params):
        text = file.text(word)
        param = T.TypeParam(text, i)
        params.append(param)
        inner.names[text] = TypeObject(text, lambda param=param: param)  # type: ignore[misc]
    for param, (_, constraint) in zip(params, found.params, strict=True):
        param.bound = package.types.constraint(constraint, inner, file)
    signature = package.types.signature(decl, inner, file)
    known: dict[T.TypeParam, T.Type] = dict(zip(params, given, strict=False))
    types: list[Any] = [v.type for v in values]
    if len(values) == 1 and isinstance(values[0].type, T.Tuple):
        types = list(values[0].type.types)
    untyped: list[tuple[T.TypeParam, T.Type]] = []
    for i, type in enumerate(types):
        last = len(signature.params) - 1
        if i > last and not signature.variadic:
            break
        wanted = signature.params[min(i, last)].type if signature.params else None
        if wanted is None:
            break
        if signature.variadic and i >= last and not dots:
            wanted = wanted.elem
        if T.is_untyped(type):
            if isinstance(wanted, T.TypeParam) and type is not T.UNTYPED_NIL:
                untyped.append((wanted, type))
            continue
        unify(wanted, type, known)
    for _ in params:
        for param in params:
            core = _core(param)
            if core is None:
                continue
            tilde, type = core
            if param in known:
                unify(type, known[param].under if tilde else known[param], known)
            elif _closed(type, known):
                known[param] = substitute(type, known)
    order = [T.UNTYPED_INT, T.UNTYPED_RUNE, T.UNTYPED_FLOAT, T.UNTYPED_COMPLEX]
    best: dict[T.TypeParam, T.Type] = {}
    for param, type in untyped:
        if param not in known:
            old = best.get(param)
            if old in order and type in order:
                type = max(old, type, key=order.index)
            best[param] = type
    for param, type in best.items():
        known[param] = T.DEFAULTS[type]
    missing = [p.name for p in params if p not in known]
    if missing:
        at.fail(tree, f"in call to {found.name}, cannot infer {missing[0]}")
    return tuple(known[p] for p in params)


def _core(param: T.TypeParam) -> tuple[bool, T.Type] | None:
    bound = param.bound.under if param.bound is not None else None
    if not isinstance(bound, T.Interface):
        return None
    terms = bound.type_terms()
    if terms is None or len(terms) != 1:
        return None
    return terms[0]  # type: ignore[no-any-return]


def unify(wanted: T.Type, type: T.Type, known: dict[T.TypeParam, T.Type]) -> bool:
    """Learn what the parameters in `wanted` are if it is to be `type`."""
    if isinstance(wanted, T.TypeParam):
        if wanted in known:
            if T.identical(known[wanted], type):
                return True
            plain = isinstance(type, T.Named) and not isinstance(known[wanted], T.Named)
            if plain and T.identical(known[wanted], type.under):
                known[wanted] = type
            return True
        known[wanted] = type
        return True
    if isinstance(wanted, T.Named):
        if isinstance(type, T.Pointer) and not wanted.args:
            return False
        if isinstance(type, T.Named) and type.origin is wanted.origin and wanted.args:
            return _all(unify(a, b, known) for a, b in zip(wanted.args, type.args, strict=True))
        if wanted.args and isinstance(wanted.under, T.Interface):
            return _methods(wanted.under, type, known)
        if wanted.args:
            return unify(wanted.under, type.under, known)
        return T.identical(wanted, type)
    if isinstance(type, T.Named):
        type = type.under
    if isinstance(wanted, T.Pointer | T.Slice) and isinstance(type, wanted.__class__):
        return unify(wanted.elem, type.elem, known)
    if isinstance(wanted, T.Array) and isinstance(type, T.Array):
        return unify(wanted.elem, type.elem, known)
    if isinstance(wanted, T.Chan) and isinstance(type, T.Chan):
        return unify(wanted.elem, type.elem, known)
    if isinstance(wanted, T.Map) and isinstance(type, T.Map):
        return unify(wanted.key, type.key, known) and unify(wanted.elem, type.elem, known)
    if isinstance(wanted, T.Signature) and isinstance(type, T.Signature):
        pairs = [*zip(wanted.params, type.params, strict=False)]
        pairs += [*zip(wanted.results, type.results, strict=False)]
        return _all(unify(a.type, b.type, known) for a, b in pairs)
    if isinstance(wanted, T.Struct) and isinstance(type, T.Struct):
        pairs = [*zip(wanted.fields, type.fields, strict=False)]
        return _all(unify(a.type, b.type, known) for a, b in pairs)
    if isinstance(wanted, T.Interface):
        return _methods(wanted, type, known)
    return T.identical(wanted, type)


def _all(answers: Iterable[bool]) -> bool:
    """Whether all are true; all are asked, since each may learn something."""
    return False not in list(answers)


def _methods(wanted: T.Interface, type: T.Type, known: dict[T.TypeParam, T.Type]) -> bool:
    from .scope import find_member

    for name, method in wanted.methods.items():
        found = find_member(type, name)
        if found is None or isinstance(found[1], T.Field):
            return False
        unify(method.type, found[1].type, known)
    return True


def _closed(type: T.Type, known: dict[T.TypeParam, T.Type]) -> bool:
    from .package import contains_param

    return not contains_param(substitute(type, known))


def substitute(type: T.Type, known: dict[T.TypeParam, T.Type]) -> T.Type:
    """The type with what is known of its parameters put in."""
    if isinstance(type, T.TypeParam):
        return known.get(type, type)
    if isinstance(type, T.Pointer):
        return T.Pointer(substitute(type.elem, known))
    if isinstance(type, T.Slice):
        return T.Slice(substitute(type.elem, known))
    if isinstance(type, T.Array):
        return T.Array(type.length, substitute(type.elem, known))
    if isinstance(type, T.Map):
        return T.Map(substitute(type.key, known), substitute(type.elem, known))
    if isinstance(type, T.Chan):
        return T.Chan(type.direction, substitute(type.elem, known))
    if isinstance(type, T.Signature):

        def fields(old: Any) -> list[T.Field]:
            return [T.Field(f.name, substitute(f.type, known)) for f in old]

        return T.Signature(fields(type.params), fields(type.results), type.variadic)
    if isinstance(type, T.Named) and type.args:
        return type.origin.instance(tuple(substitute(a, known) for a in type.args))  # type: ignore[no-any-return]
    return type
