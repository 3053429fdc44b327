"""The chapter's MemoryTracker and MemoryMonitor, and profiles written every so often, mended.

A tracker is asked, a monitor asks by itself, on a thread of its own. That thread holds no reference
to the heap (a detector that it is given does): it ends when the heap is closed or dropped, when the
block of its ``with`` ends, or with ``stop()``.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from gcsim import _core
from gcsim._errors import ClosedHeapError, OptionError, StateError
from gcsim._results import bytes_text


class MemorySample(NamedTuple):
    """What a tracker keeps of one moment. Bytes, and seconds of the tracker's clock."""

    seconds: float
    heap_alloc: int  #: allocated and not yet swept: a sawtooth
    live: int  #: what the last collection marked; 0 before the first one
    heap_objects: int
    sys: int
    total_alloc: int  #: ever allocated
    num_gc: int
    pause_total_ns: int


def read_sample(heap: _core.Heap, seconds: float) -> MemorySample:
    """A sample of now."""
    stats = heap.memstats()
    return MemorySample(
        seconds,
        stats.heap_alloc,
        heap.metrics["/gc/heap/live:bytes"],
        stats.heap_objects,
        stats.sys,
        stats.total_alloc,
        stats.num_gc,
        stats.pause_total_ns,
    )


def _signed(n: int) -> str:
    return f"{'-' if n < 0 else '+'}{bytes_text(abs(n))}"


class MemoryGrowth(NamedTuple):
    """What changed from the first sample to the last. Negative numbers: less than before."""

    first: MemorySample
    last: MemorySample

    @property
    def seconds(self) -> float:
        return self.last.seconds - self.first.seconds

    @property
    def heap_alloc(self) -> int:
        """Bytes; depends on where in the sawtooth the two samples fell: see `live`."""
        return self.last.heap_alloc - self.first.heap_alloc

    @property
    def live(self) -> int | None:
        """Bytes that the last collection found alive, more than at the first sample; None unless
        there was a collection before the first and one since."""
        if not 0 < self.first.num_gc < self.last.num_gc:
            return None
        return self.last.live - self.first.live

    @property
    def sys(self) -> int:
        return self.last.sys - self.first.sys

    @property
    def objects(self) -> int:
        return self.last.heap_objects - self.first.heap_objects

    @property
    def allocated(self) -> int:
        """Bytes allocated in between, freed or not."""
        return self.last.total_alloc - self.first.total_alloc

    @property
    def collections(self) -> int:
        return self.last.num_gc - self.first.num_gc

    @property
    def mean_pause_ns(self) -> float | None:
        """Of a collection in between; None if there was none (the chapter divides by zero)."""
        ns = self.last.pause_total_ns - self.first.pause_total_ns
        return ns / self.collections if self.collections else None

    def __str__(self) -> str:
        live = "no collection to tell" if self.live is None else _signed(self.live)
        pause = self.mean_pause_ns
        mean = "" if pause is None else f", {pause / 1e3:.1f} us stopped in the mean"
        return "\n".join(
            (
                f"in {self.seconds:.3g} s",
                f"  live after collections  {live}",
                f"  heap_alloc (sawtooth)   {_signed(self.heap_alloc)}",
                f"  from the system         {_signed(self.sys)}",
                f"  objects                 {self.objects:+,}",
                f"  allocated in between    {_signed(self.allocated)}",
                f"  collections             {self.collections}{mean}",
            )
        )


class MemoryTracker:
    """The chapter's MemoryTracker: samples of a heap, and what grew from the first to the last.

    Mended: a sample is eight numbers, not a MemStats of 5.7 KB, and the newest `keep` are kept (the
    first one always), so the tracker itself does not grow; beside HeapAlloc, which depends on when
    one looks, there is what collections found alive. Threads may share one.

    OptionError unless keep is at least 2.
    """

    def __init__(
        self, heap: _core.Heap, *, keep: int = 1000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if keep < 2:
            raise OptionError(f"keep={keep}: two samples or more make a report")
        self._heap = heap
        self._clock = clock
        self._first: MemorySample | None = None
        self._rest: deque[MemorySample] = deque(maxlen=keep - 1)
        self._lock = threading.Lock()

    def sample(self) -> MemorySample:
        """Takes one, and keeps it. Collects nothing. Raises ClosedHeapError."""
        with self._lock:
            taken = read_sample(self._heap, self._clock())
            if self._first is None:
                self._first = taken
            else:
                self._rest.append(taken)
        return taken

    @property
    def samples(self) -> tuple[MemorySample, ...]:
        """Those that are kept, the oldest first."""
        with self._lock:
            return () if self._first is None else (self._first, *self._rest)

    def report(self) -> MemoryGrowth:
        """From the first sample to the last. StateError if there are fewer than two."""
        samples = self.samples
        if len(samples) < 2:
            raise StateError(f"two samples make a report, there are {len(samples)}: call sample()")
        return MemoryGrowth(samples[0], samples[-1])

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return f"<MemoryTracker: {len(self)} samples>"


# ---- every so often ----


class Periodic:
    """A thread that looks at a heap every so many seconds; the base of what follows.

    An error of one round is kept in `error` and does not end the thread; the heap's end does.
    """

    def __init__(self, heap: _core.Heap, every: float) -> None:
        if not 0 < every <= threading.TIMEOUT_MAX:
            raise OptionError(f"every={every!r}: seconds between two rounds, above 0")
        self.every = every
        self.error: Exception | None = None  #: of the last round that failed
        self._heap = weakref.ref(heap)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def round(self, heap: _core.Heap) -> Any:
        """What is done every so often."""
        raise NotImplementedError

    def look(self) -> bool:
        """One round, now. False when there is no heap any more."""
        heap = self._heap()
        if heap is None or heap.closed:
            return False
        try:
            self.round(heap)
        except ClosedHeapError:
            return False
        except Exception as error:
            self.error = error
        return True

    def _run(self) -> None:
        while not self._stop.wait(self.every) and self.look():
            pass

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Self:
        """Begins; the first round comes after `every` seconds. StateError if it runs already."""
        if self.running:
            raise StateError(f"{self!r} runs already")
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends, when the round that is under way is done. Nothing if it does not run."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<{type(self).__name__}: every {self.every:g} s, {state}>"


class MemoryNotice(NamedTuple):
    """What a monitor tells of when it begins: "limit" (more is live than `limit`) or "leak" (a
    detector found one)."""

    kind: str
    sample: MemorySample
    words: str

    def __str__(self) -> str:
        return self.words


class MemoryMonitor(Periodic):
    """The chapter's memoryMonitoring: looks at a heap every 5 seconds, and warns.

    limit      warns when collections find more than this alive (bytes or "100MiB")
    detectors  such as `LeakDetector`, asked each time: their ``check()`` collects
    tell       called with each MemoryNotice; by default it is printed on standard error
    keep       samples and notices that are kept, the newest

    Mended: growth between two readings of HeapAlloc is no news, and is not told; a warning is given
    when what it is about begins, not at every look while it lasts.
    """

    def __init__(
        self,
        heap: _core.Heap,
        every: float = 5.0,
        *,
        limit: int | str = "100MiB",
        detectors: tuple[Any, ...] = (),
        tell: Callable[[MemoryNotice], object] | None = None,
        keep: int = 1000,
    ) -> None:
        super().__init__(heap, every)
        if keep < 1:
            raise OptionError(f"keep={keep}: one sample or more")
        self.limit = _core.parse_size("limit", limit)
        self._detectors = detectors
        self._tell = tell
        self._samples: deque[MemorySample] = deque(maxlen=keep)
        self._notices: deque[MemoryNotice] = deque(maxlen=keep)
        self._told: set[object] = set()

    @property
    def samples(self) -> tuple[MemorySample, ...]:
        return tuple(self._samples)

    @property
    def notices(self) -> tuple[MemoryNotice, ...]:
        return tuple(self._notices)

    def round(self, heap: _core.Heap) -> MemorySample:
        reports = [(i, detector.check()) for i, detector in enumerate(self._detectors)]
        sample = read_sample(heap, time.monotonic())
        self._samples.append(sample)
        over = f"{bytes_text(sample.live)} are live, more than {bytes_text(self.limit)}"
        self._notice("limit", "limit", sample.live > self.limit, sample, over)
        for i, report in reports:
            self._notice(i, "leak", report.found, sample, str(report))
        return sample

    def _notice(
        self, key: object, kind: str, is_so: bool, sample: MemorySample, words: str
    ) -> None:
        if not is_so:
            self._told.discard(key)
        elif key not in self._told:
            self._told.add(key)
            notice = MemoryNotice(kind, sample, words)
            self._notices.append(notice)
            if self._tell:
                self._tell(notice)
            else:
                print(f"gcsim: {words}", file=sys.stderr)


class ProfileEvery(Periodic):
    """The chapter's autoMemoryProfile: writes a heap profile every 10 minutes.

    folder   where mem_profile_DATE_TIME_NUMBER.pb.gz is put; made if it is not there
    kind     as in heap.write_pprof
    keep     files of its own that are kept, the newest (the chapter's pile up); None: all

    A file appears when it is whole. What goes wrong is kept in `error`, and tried again.
    """

    def __init__(
        self,
        heap: _core.Heap,
        every: float = 600.0,
        folder: str | os.PathLike[str] = ".",
        *,
        kind: str = "heap",
        keep: int | None = 144,
    ) -> None:
        super().__init__(heap, every)
        if keep is not None and keep < 1:
            raise OptionError(f"keep={keep}: one file or more; None keeps all")
        self.folder = Path(folder)
        self.kind = kind
        self._keep = keep
        self._files: list[Path] = []

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that it wrote and did not remove, the oldest first."""
        return tuple(self._files)

    def round(self, heap: _core.Heap) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._name()
        heap.write_pprof(path, kind=self.kind)
        self._files.append(path)
        while self._keep is not None and len(self._files) > self._keep:
            with contextlib.suppress(OSError):
                self._files.pop(0).unlink()
        return path

    def _name(self) -> Path:
        """Of a file that is not there."""
        stem = f"mem_profile_{datetime.now():%Y%m%d_%H%M%S}"
        number = 0
        while (path := self.folder / f"{stem}_{number:03}.pb.gz").exists():
            number += 1
        return path
