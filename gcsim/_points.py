"""Step points in words: what comes next behind each, and the C function that does it.

The order is that of csrc/base/events.def, whose numbers the core uses; a test compares them.
"""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """A place where others may run.

    name      as in events.def
    words     what the next step does; {object}, {slot}, {target}, {where}, {arg} are filled in
    function  "file: function" of the core that does it
    """

    name: str
    words: str
    function: str


POINTS = (
    Point("cycle start", "begin the cycle: count it, switch to marking", "gc/cycle.c: cycle_open"),
    Point("mark start", "scan the stacks and what mutators hold", "gc/cycle.c: cycle_open"),
    Point("mark root", "do root job {arg}", "gc/roots.c: roots_next"),
    Point("shade", "queue {object}, which was just marked", "gc/mark.c: shaded"),
    Point("scan", "scan {object}", "gc/mark.c: scan"),
    Point(
        "mark termination",
        "end marking: all spans wait to be swept",
        "gc/cycle.c: cycle_close_marking",
    ),
    Point(
        "sweep span",
        "go on behind a span that was swept, {arg} objects freed",
        "gc/sweep.c: sweep_span",
    ),
    Point("swept", "go on: all is swept", "gc/sweep.c: note_swept"),
    Point("sweep done", "end the cycle", "gc/cycle.c: sweep_all_politely"),
    Point("cycle end", "let the world run again", "gc/cycle.c: cycle_end"),
    Point("world stop", "go on with the world stopped", "gc/world.c: world_stop"),
    Point("world start", "go on with the world running", "gc/world.c: world_start"),
    Point("span alloc", "use the span that it got", "alloc/mheap.c: span_make"),
    Point("span free", "give a span back", "alloc/mheap.c: mheap_free"),
    Point("span cache", "use the span that it cached", "alloc/mcache.c: mcache_refill"),
    Point("span uncache", "give up its cached span", "alloc/mcache.c: uncache"),
    Point("window", "allocate from the next {arg} free slots", "alloc/mcache.c: next_window"),
    Point("alloc", "return the new {object}", "alloc/malloc.c: malloc_small"),
    Point("alloc tiny", "return a new tiny object", "alloc/malloc.c: tiny_place"),
    Point("alloc large", "return the new {object}", "alloc/malloc.c: malloc_large"),
    Point("store", "store {target} into {slot}", "gc/barrier.c: do_store"),
    Point(
        "shade old",
        "note {target}, which is about to be overwritten in {slot}",
        "gc/barrier.c: do_shade_old",
    ),
    Point(
        "shade new",
        "note {target}, which is about to be stored into {slot}",
        "gc/barrier.c: do_shade_new",
    ),
    Point(
        "barrier flush",
        "go on: {arg} pointers of its barrier buffer are shaded",
        "gc/barrier.c: barrier_flush",
    ),
    Point("assist", "go on after an assist", "gc/assist.c: mark_for"),
    Point("worker start", "mark in the background", "gc/worker.c: worker_mark"),
    Point("worker", "go on after a slice of marking", "gc/worker.c: worker_mark"),
    Point("handle new", "return a new handle of {object}", "gc/roots.c: handle_make"),
    Point("handle drop", "take a dropped handle back", "gc/roots.c: handles_take_dropped"),
    Point("weak clear", "make a weak reference nil", "gc/specials.c: weak_clear"),
    Point("scavenge", "give {arg} pages back to the system", "alloc/scavenge.c: scavenge_one"),
    Point("finalizer queued", "queue a finalizer", "gc/specials.c: callback_queue"),
    Point("cleanup queued", "queue a cleanup", "gc/specials.c: callback_queue"),
    Point("callback taken", "hand out a callback", "gc/specials.c: callback_pop"),
    Point("grow", "use {arg} more pages", "alloc/mheap.c: mheap_grow"),
    Point("lock", "take a lock", "base/rt_steps.c: rt_lock"),
    Point("wait", "look again whether it may go on", "base/rt_steps.c: rt_wait"),
    Point("operation", "do operation {where} of its program", "steps/program.c: run_program"),
    Point("load", "load {slot}", "steps/program.c: load_slot"),
    Point("scan field", "look at {slot}", "gc/mark.c: visit_now"),
    Point(
        "shade source",
        "note {target}, which was stored into {slot}",
        "gc/barrier.c: do_shade_source",
    ),
    Point("scan stacks", "scan the stacks of mutator {arg}", "gc/mark.c: mark_stacks"),
    Point(
        "barrier on",
        "switch the write barrier of mutator {arg} on",
        "gc/barrier.c: barrier_switch_late",
    ),
    Point("attach", "go on as a new mutator", "gc/world.c: world_attach"),
    Point("heap live", "go on: {arg} bytes count as live", "alloc/malloc.c: after_refill"),
    Point("heap goal", "go on: the goal is {arg} bytes", "gc/pace.c: publish"),
    Point("alloc type", "return the new {object}", "alloc/malloc.c: malloc_small"),
    Point("free", "go on behind {object}, which is free", "gc/sweep.c: take_marks"),
    Point("memory limit", "go on: the limit is {arg} bytes", "gc/pace.c: pace_set_memory_limit"),
    Point("alloc site", "return the new {object}", "alloc/malloc.c: malloc_small"),
    Point("alloc request", "return the new {object}", "alloc/malloc.c: malloc_bytes"),
)

NUMBERS = {point.name: number for number, point in enumerate(POINTS)}
