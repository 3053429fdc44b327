"""What is said of an object that an unsound barrier has lost (called by csrc/bind/lost.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcsim._errors import LostObjectError, StateError

if TYPE_CHECKING:
    from gcsim._core import Heap

Where = tuple[int, int, int, int, int]  # cycle, offset, page of the span, slot, bytes of the slot
Store = tuple[int, int, int, int]  # gcsim_lost_how, mutator, offset of the slot, time


def lost(heap: Heap, address: int, where: Where, store: Store) -> LostObjectError:
    """The error; it is the caller's to raise."""
    cycle, offset, page, slot, slot_bytes = where
    how, mutator, to, time = store
    slots = f"slot {slot} of {slot_bytes} B in" if slot_bytes > 1 else "in what was"
    did = ("", "overwrote the pointer to it at", "stored a pointer to it at")[how]
    text = f"mutator {mutator} {did} +{to:#x}, time {time}" if how else None
    schedule = _schedule(heap)
    words = [
        f"the object at +{offset:#x}, {slots} the span at page {page}, was freed by cycle {cycle}"
        " or before, and something still leads to it"
    ]
    words.append(text or "which store lost it is not known (Heap(events=4096) keeps the last ones)")
    words += [f"schedule '{schedule}'"] if schedule else []
    error = LostObjectError("; ".join(words))
    error.cycle, error.address, error.span, error.slot = cycle, address, page, slot
    error.store, error.schedule = text, schedule
    return error


def _schedule(heap: Heap) -> str:
    from gcsim._steps import schedule_text_of

    try:
        at = heap._steps_info()[0]
        return schedule_text_of(heap._steps_log(0, at))
    except StateError:
        return ""
