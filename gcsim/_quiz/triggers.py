"""The goal of the heap after a collection, and the trigger of the next one."""

from __future__ import annotations

from gcsim._quiz.dice import Dice
from gcsim._quiz.question import Question, number

_KIB = 1 << 10
_NO_LIMIT, _NOT_TRIGGERED = (1 << 63) - 1, (1 << 64) - 1
_SOURCE = "runtime/mgcpacer.go: commit, heapGoalInternal, trigger"


def make(dice: Dice) -> Question | None:
    """The core's pacer in the state after a collection; its goal or its trigger is asked for."""
    from gcsim.lowlevel import Pacer

    percent = dice.pick((25, 50, 80, 100, 100, 100, 120, 150, 200, 300, 400))
    marked = dice.between(1, 512) * dice.pick((8, 32, 128, 512)) * _KIB
    stacks, globals = dice.between(1, 128) * 2 * _KIB, dice.between(1, 64) * 4 * _KIB
    pacer = Pacer()
    pacer.init(percent, _NO_LIMIT)
    pacer["triggered"] = _NOT_TRIGGERED
    pacer["heap_marked"] = pacer["heap_live"] = marked
    pacer["last_stack_scan"], pacer["globals_scan"] = stacks, globals
    pacer.commit(False)  # the sweep is yet to come: what is live is what was marked
    goal = pacer.heap_goal()
    runway = (goal - marked) * dice.between(2, 40) // 100 // _KIB * _KIB
    pacer["runway"] = runway
    trigger, _ = pacer.trigger()
    text = (
        f"Marking has just ended: {marked} bytes of heap are marked and live, {stacks} bytes of"
        f" stacks and {globals} bytes of globals were scanned. GOGC={percent}, and there is no"
        " memory limit."
    )
    sum = f"{marked} + ({marked} + {stacks} + {globals}) * {percent} / 100"
    least = f"at least 4 MiB * {percent} / 100 and, for the sweep, {marked} + 1 MiB"
    if dice.chance(0.35):
        why = f"marked + (marked + stacks + globals) * GOGC / 100 = {sum}, {least}: {goal}"
        asked = "What is the goal of the next cycle?"
        return number(f"{text} {asked}", goal, "bytes", why=why, source=_SOURCE)
    asked = (
        f"The pacer expects {runway} bytes to be allocated while it marks (the runway). At how many"
        " bytes of live heap does the next collection begin?"
    )
    why = (
        f"goal {goal} - runway {runway} = {goal - runway}, but at least 45 / 64 of the way from the"
        " marked bytes to the goal and 1 MiB above them, and at most 61 / 64 or 4 MiB below the"
        f" goal: {trigger}"
    )
    return number(f"{text} {asked}", trigger, "bytes", why=why, source=_SOURCE)
