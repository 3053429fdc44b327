"""Python functions as programs of the explorer: they become tables of operations, and must do the same
each time they are run."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import gcsim
from gcsim._functions import text_of
from gcsim._programs import assemble, operation_text


def insert() -> Iterator[Any]:
    """A new object before the first one, and the first one forgotten."""
    yield "x = global 0"
    yield "y = x.0"
    yield "x.0 = nil"
    yield "global 0 = y"


def lines(function: Any) -> list[str]:
    return text_of(function).splitlines()


# --- what becomes of them


def test_operations_come_in_their_order() -> None:
    assert lines(insert) == ["x = global 0", "y = x.0", "x.0 = nil", "global 0 = y"]


def test_what_it_asks_becomes_a_jump() -> None:
    def careful() -> Iterator[Any]:
        x = yield "x = global 0"
        if not x:
            yield "x = new"
            yield "global 0 = x"
            return
        y = yield "y = x.0"
        while y:
            yield "x.0 = nil"
            y = yield "y = x.0"
            if y:
                break

    assert lines(careful) == [
        "x = global 0",
        "if x is nil go to 10",
        "y = x.0",
        "if y is nil go to 9",
        "x.0 = nil",
        "y = x.0",
        "if y is nil go to 8",
        "go to 12",
        "go to 12",
        "go to 12",
        "x = new",
        "global 0 = x",
    ]


def test_a_program_with_jumps_is_text_like_any_other() -> None:
    program = ["if x is nil go to 12", "go to 7", "again"]
    code = assemble(program)
    assert [operation_text(code[i : i + 4]) for i in (0, 4)] == program[:2]
    with pytest.raises(gcsim.TypeDefinitionError, match="if x is nil go to 7"):
        assemble(["if x go to 3"])


def test_a_jump_is_taken_only_where_the_local_is_nil() -> None:
    # The second store is what loses the object; it is done only by who finds a pointer.
    def finder(wanted: bool) -> Any:
        def find() -> Iterator[Any]:
            yield "x = global 0"
            y = yield "y = x.0"
            if bool(y) is wanted:
                yield "x.0 = nil"

        return find

    options: dict[str, Any] = {"barrier": "none", "locals": 2, "objects": 2}
    assert gcsim.explore(finder(True), **options).verdict == "lost"
    assert gcsim.explore(finder(False), **options).verdict == "sound"


def test_functions_and_texts_find_the_same() -> None:
    text = "\n".join(lines(insert))
    for barrier, verdict in (("hybrid", "sound"), ("none", "lost")):
        options: dict[str, Any] = {"barrier": barrier, "locals": 2}
        found = gcsim.explore([insert, text], **options)
        again = gcsim.explore([text, insert], **options)
        assert found.verdict == again.verdict == verdict
        assert (found.states, found.transitions) == (again.states, again.transitions)
        assert pickle.loads(pickle.dumps(found)) == found
    assert found.film().text()


# --- what is refused


def test_a_function_that_does_something_else_when_it_runs_again_is_named_with_the_step() -> None:
    turn = itertools.count()

    def fickle() -> Iterator[Any]:
        yield "x = global 0"
        yield "x.0 = nil" if next(turn) % 2 else "y = x.0"

    with pytest.raises(gcsim.ProgramError, match=r"fickle, step 1: is not deterministic") as caught:
        gcsim.explore(fickle, locals=2)
    assert (caught.value.function, caught.value.step) == ("fickle", 1)
    assert "'y = x.0'" in str(caught.value) and "'x.0 = nil'" in str(caught.value)


@pytest.mark.parametrize("longer", [0, 1])
def test_one_that_ends_earlier_or_later_is_not_deterministic_either(longer: int) -> None:
    turn = itertools.count(longer)

    def fickle() -> Iterator[Any]:
        yield "x = global 0"
        if next(turn) % 2:
            yield "x = nil"

    with pytest.raises(gcsim.ProgramError, match="its end") as caught:
        text_of(fickle)
    assert caught.value.step == 1


def test_one_that_asks_only_sometimes_is_not_deterministic_either() -> None:
    turn = itertools.count()

    def fickle() -> Iterator[Any]:
        x = yield "x = global 0"
        yield "y = x"
        if next(turn) % 2 and x:
            yield "x = nil"

    with pytest.raises(gcsim.ProgramError, match="not deterministic") as caught:
        text_of(fickle)
    assert caught.value.step == 2


def test_what_a_function_raises_is_the_cause() -> None:
    def broken() -> Iterator[Any]:
        yield "x = global 0"
        raise KeyError("mine")

    with pytest.raises(gcsim.ProgramError, match=r"broken, step 1: raises KeyError: 'mine'") as e:
        gcsim.explore([insert, broken], locals=2)
    assert isinstance(e.value.__cause__, KeyError) and isinstance(e.value, RuntimeError)


def test_ctrl_c_in_a_function_is_no_error_of_the_program() -> None:
    def interrupted() -> Iterator[Any]:
        yield "x = global 0"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        text_of(interrupted)


def no_generator() -> None: ...


@pytest.mark.parametrize("what", [no_generator, lambda: ["x = nil"], int])
def test_what_is_no_generator_is_refused(what: Any) -> None:
    with pytest.raises(gcsim.ConversionError, match="is no generator function"):
        gcsim.explore(what)


def test_references_of_a_heap_of_ones_own_are_refused() -> None:
    @gcsim.struct
    class Thing:
        n: int

    with gcsim.Heap() as heap:
        thing = heap.new(Thing)

        def wrong() -> Iterator[Any]:
            yield "x = global 0"
            yield thing

        with pytest.raises(gcsim.ConversionError, match=r"step 1.*heaps and objects of its own"):
            gcsim.explore(wrong)
        assert heap.verify()


def forever() -> Iterator[Any]:
    while True:
        yield "x = global 0"


def asks_forever() -> Iterator[Any]:
    x = yield "x = global 0"
    while x:
        x = yield "x = x.0"


@pytest.mark.parametrize("function", [forever, asks_forever])
def test_a_function_without_an_end_is_refused(function: Any) -> None:
    with pytest.raises(gcsim.ProgramError, match="more than 63"):
        text_of(function)


def test_too_many_ways_are_refused() -> None:
    def bushy() -> Iterator[Any]:
        for _ in range(6):
            if (yield "x = global 0"):
                yield "y = x"
            yield "z = x"

    with pytest.raises(gcsim.ProgramError, match="in all the ways through it"):
        text_of(bushy)


@pytest.mark.parametrize(
    "operation", ["x = glob 0", "again", "go to 3", "if x is nil go to 3", "x = nil\ny = nil", ""]
)
def test_what_is_no_operation_is_named_with_its_step(operation: str) -> None:
    def wrong() -> Iterator[Any]:
        yield "x = global 0"
        yield operation

    with pytest.raises(gcsim.ProgramError, match="wrong, step 1"):
        text_of(wrong)


def test_asking_when_the_local_has_changed_is_refused() -> None:
    def late() -> Iterator[Any]:
        x = yield "x = global 0"
        yield "x = nil"
        if x:
            yield "x = new"

    with pytest.raises(gcsim.ProgramError, match="ask before") as caught:
        text_of(late)
    assert caught.value.step == 2
