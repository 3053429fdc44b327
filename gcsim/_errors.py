"""Every error that gcsim raises on purpose: an :class:`Error` and the fitting built-in in one."""

from __future__ import annotations

TYPE_CHECKING = False  # see _types.py: `import gcsim` does without typing
if TYPE_CHECKING:
    from typing import Any


class Error(Exception):
    """Base of all errors that gcsim raises on purpose."""


class ClosedHeapError(Error, ValueError):
    """The heap, or the one that the reference belongs to, is closed."""


class ForkedHeapError(Error, RuntimeError):
    """The heap was made before a fork and belongs to the parent process."""


class StaleReferenceError(Error, ReferenceError):
    """The object, frame or handle that the reference names exists no more."""


class LostObjectError(Error, ReferenceError):
    """A pointer leads to a slot that was freed too early, because the write barrier is unsound.

    Only in a heap with ``mode="steps"`` whose options may lose objects; what is freed there is
    filled with 0xdeadbeef. ``cycle`` is the number of the last collection that ended,
    ``address`` where the pointer leads, as gcsim.address() gives it, ``span`` the first page of
    its span and ``slot`` the number in it. ``store`` says which store lost it: one that
    overwrote a pointer to it before the marker came by, or else put one behind something black;
    None where none did or where the heap keeps no (or too few) ``events=`` to know.
    ``schedule`` is what begin_cycle(schedule=) takes to come here again; "" where no cycle is
    stepped.
    """

    cycle: int = 0
    address: int = 0
    span: int = 0
    slot: int = 0
    store: str | None = None
    schedule: str = ""


class WrongHeapError(Error, ValueError):
    """A reference of one heap was given to another."""


class TypeDefinitionError(Error, TypeError):
    """A struct, array or field type cannot be laid out as it is written."""


class RangeError(Error, OverflowError):
    """A number does not fit the field, size or index that it was given for."""


class HeapMemoryError(Error, MemoryError):
    """The heap, or the machine, has no memory left for the request."""


class DumpFormatError(Error, ValueError):
    """A file is not a heap dump, or is truncated, or contradicts itself."""


class TraceFormatError(Error, ValueError):
    """A gctrace log is damaged; ``line`` is the number of the line, the first is 1."""

    line: int = 0

    @classmethod
    def at(cls, name: str, line: int, what: str) -> TraceFormatError:
        error = cls(f"{name}, line {line}: {what}")
        error.line = line
        return error


class ProfileFormatError(Error, ValueError):
    """A file is no pprof profile, or is truncated, or contradicts itself.

    ``offset`` is the byte of the profile, unpacked if it was compressed, where that was seen.
    """

    offset: int = 0

    @classmethod
    def at(cls, name: str, offset: int, what: str) -> ProfileFormatError:
        error = cls(f"{name}, byte {offset}: {what}")
        error.offset = offset
        return error


class BenchFormatError(Error, ValueError):
    """A file holds no results of the benchmark, or is truncated, or contradicts itself."""


class UnsupportedDumpError(DumpFormatError):
    """A heap dump of a machine, Go version or format that is not supported."""


class NotThereYetError(Error, NotImplementedError):
    """The option or method is part of the design but not of this version."""


class ThreadError(Error, RuntimeError):
    """An object that belongs to one thread was used from another."""


class ConversionError(Error, TypeError):
    """A value cannot be converted to the type that the operation needs."""


class FieldError(Error, AttributeError):
    """The struct has no such field, or none that can be reached or deleted."""


class StateError(Error, RuntimeError):
    """The call does not fit what the heap is doing: it is busy on this very thread, say."""


class PanicError(Error, RuntimeError):
    """What a goroutine did panics in Go, or ends the program; the message is Go's."""


class UseAfterResetError(StateError):
    """Bytes of an arena were used after it was reset; allocate anew."""


class DeadlockError(StateError):
    """Nobody in a heap of coroutines can go on; the message says who waits for what."""


class OptionError(Error, ValueError):
    """An option was given a word that it does not know."""


class PlacementError(OptionError):
    """The machine has no such memory nodes, or its kernel does not place memory as asked."""


class MappingError(Error, OSError):
    """A file cannot be mapped: there is none, it may not be read, or it is no regular file.

    ``errno`` is the system's reason, where it gave one.
    """


class BoundsError(Error, IndexError):
    """An index or slice bound lies outside the array, slice or batch."""


class UnknownNameError(Error, KeyError):
    """There is no global, or no metric, of that name."""

    def __str__(self) -> str:  # KeyError would show the repr of the sentence
        return str(self.args[0]) if self.args else ""


class MissingKeyError(Error, KeyError):
    """The map has no such key; the key is the error's only argument, as with a dict."""


class ProgramError(Error, RuntimeError):
    """A function given to :func:`gcsim.explore` raises, or does not do the same each time.

    ``function`` is its name, ``step`` the number of operations that it had done. What it raised is
    the error's cause.
    """

    function: str = ""
    step: int = 0

    @classmethod
    def at(cls, function: str, step: int, what: str) -> ProgramError:
        error = cls(f"{function}, step {step}: {what}")
        error.function, error.step = function, step
        return error


class AddressError(Error, OSError):
    """A server cannot listen on the address: it is in use, forbidden, or not of this machine.

    ``errno`` is the system's reason.
    """


class WorkloadError(Error, RuntimeError):
    """A workload returned an error, is none, or does not come to an end.

    ``result`` is the :class:`gcsim.WorkloadResult` of the run, with each thread's error; None if
    it did not come that far.
    """

    result: Any = None


class CompileError(Error, ValueError):
    """The C compiler refused a workload's source; ``output`` is all that it said."""

    output: str = ""


class CompilerNotFoundError(CompileError, FileNotFoundError):
    """There is no C compiler under the name that was tried."""


class GoSourceError(Error, ValueError):
    """Go source that cannot be analysed: it is wrong, or uses what gcsim does not know.

    ``file`` is the name as given, ``line`` and ``column`` count from 1 (a column counts bytes);
    0 where the trouble has no place. ``what`` is the message without them.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    what: str = ""

    @classmethod
    def at(cls, file: str, line: int, column: int, what: str) -> GoSourceError:
        place = f"{file}:{line}:{column}: " if line else f"{file}: " if file else ""
        error = cls(place + what)
        error.file, error.line, error.column, error.what = file, line, column, what
        return error
