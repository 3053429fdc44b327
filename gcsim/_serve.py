"""``heap.serve()`` and ``gcsim.serve()``: heaps over HTTP, as a Go program serves its own.

    /                the live page                     (_serve_live.py, data/live.html)
    /live.json       what it polls
    /metrics         Prometheus' text format           (_serve_metrics.py)
    /debug/pprof/    the paths of Go's net/http/pprof  (_serve_pprof.py)

One thread accepts; each connection has one of its own, at most `CLIENTS`. Whatever a client is
waited for has a deadline, so that one that hangs loses its connection and nobody else anything.
A heap is read as any other thread reads it. Nothing here stops the world, but for three things: a
collection that a client asks for (``gc=1``), the map of spans, and the sum of all pauses where more
than 256 collections went by unseen; the stops of the last two are short.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import ipaddress
import operator
import os
import socket
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gcsim._errors import (
    AddressError,
    ClosedHeapError,
    ConversionError,
    Error,
    OptionError,
    RangeError,
    StateError,
)
from gcsim._serve_http import (
    PATIENCE,
    TICK,
    Answer,
    Client,
    Handler,
    Refusal,
    Request,
    Site,
    is_readable,
)

if TYPE_CHECKING:
    from gcsim._core import Heap
    from gcsim._results import Cycle
    from gcsim._serve_live import Live

CLIENTS = 32  #: connections at one time
_LONGEST_NAME = 100

# ---- what is served ----


class Served:
    """A heap and its name; what clients have seen of it."""

    def __init__(self, name: str, heap: Heap) -> None:
        self.name = name
        self.heap = heap
        self._live: Live | None = None
        self._cycles: deque[Cycle] = deque(maxlen=256)  # as many as a heap remembers
        self._counted, self._paused_ns = 0, 0
        self._lock = threading.Lock()

    @property
    def live(self) -> Live:
        with self._lock:
            if self._live is None:
                from gcsim._serve_live import Live

                self._live = Live(self)
            return self._live

    def cycles(self) -> tuple[Cycle, ...]:
        """``heap.cycles``, of which only those are made that are new, and the newest known again:
        its sweep may have gone on."""
        with self._lock:
            fresh = self.heap._cycles_from(self._cycles[-1].number if self._cycles else 0)
            if self._cycles and fresh:
                self._cycles.pop()
            self._cycles.extend(fresh)
            self._count(fresh)
            return tuple(self._cycles)

    def _count(self, fresh: tuple[Cycle, ...]) -> None:
        if fresh and fresh[0].number > self._counted + 1:  # more than are remembered: ask, once
            stats = self.heap.gc_stats()
            self._counted, self._paused_ns = stats.num_gc, stats.pause_total
        for cycle in fresh:
            if cycle.number > self._counted:
                self._counted, self._paused_ns = cycle.number, self._paused_ns + cycle.pause_ns

    @property
    def paused_ns(self) -> int:
        """For how long the collections that `cycles` saw, and those before, stopped the world."""
        return self._paused_ns


def _page(server: Server, request: Request) -> Answer:
    from gcsim._serve_live import page

    return page()


def _live(server: Server, request: Request) -> Answer:
    from gcsim._serve_live import answer

    return answer(server, request)


def _metrics(server: Server, request: Request) -> Answer:
    from gcsim._serve_metrics import TYPE, exposition

    return Answer(exposition(server._served()).encode(), TYPE)


def _pprof(server: Server, request: Request) -> Answer:
    from gcsim._serve_pprof import answer

    return answer(server, request)


_PPROF = "/debug/pprof/"
_PATHS: dict[str, Callable[[Server, Request], Answer]] = {
    "/": _page,
    "/live.json": _live,
    "/metrics": _metrics,
}

# What a heap refuses is the client's answer; the first that fits.
_STATUSES: tuple[tuple[type[BaseException], int], ...] = (
    (ClosedHeapError, 410),
    (OptionError, 400),
    (Error, 503),
    (MemoryError, 503),
)


def _answer(server: Server, request: Request) -> Answer:
    try:
        if request.path in _PATHS:
            return _PATHS[request.path](server, request)
        if request.path.startswith(_PPROF):
            return _pprof(server, request)
        if request.path == _PPROF.rstrip("/"):
            return Answer(b"", status=301, headers={"Location": _PPROF})
        raise Refusal(404, "there is nothing here; / is the live page, /debug/pprof/ has profiles")
    except Refusal as refusal:
        return refusal.answer
    except (Error, MemoryError) as error:
        status = next(status for kind, status in _STATUSES if isinstance(error, kind))
        return Refusal(status, str(error) or "there is no memory", {"X-Go-Pprof": "1"}).answer


_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 34\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    b"too many connections at one time.\n"
)


# ---- the server ----


class Server:
    """Heaps over HTTP; made by ``heap.serve()`` and ``gcsim.serve()``.

    Ends with `close`, a ``with`` block, the last of its heaps, or the program. In a forked child
    it is closed: the parent goes on serving.
    """

    def __init__(self, heaps: Mapping[str, Heap], listener: socket.socket, host: str) -> None:
        self._heaps: dict[str, Served] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._site = Site(partial(_answer, self), self._is_host, self._ending)
        self._clients: dict[Client, threading.Thread] = {}
        self._listener = listener
        self._host, self._port = host, int(listener.getsockname()[1])
        for name, heap in heaps.items():
            self.add(name, heap)
        self._thread = threading.Thread(target=self._run, name="gcsim server", daemon=True)
        _open.add(self)
        self._thread.start()

    @property
    def host(self) -> str:
        """The address that it was asked to listen on."""
        return self._host

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """Of the live page; ``server.url + "debug/pprof/heap"`` is for ``go tool pprof``."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}/"

    @property
    def heaps(self) -> Mapping[str, Heap]:
        """The heaps that are served, by name: those that are open."""
        return MappingProxyType({served.name: served.heap for served in self._served()})

    @property
    def closed(self) -> bool:
        return self._ending.is_set()

    def add(self, name: str, heap: Heap, /) -> None:
        """Serves one more heap, under a name of its own.

        Raises OptionError for a name that is taken or none, ConversionError for what is no heap,
        ClosedHeapError, StateError after `close`.
        """
        _check(name, heap)
        with self._lock:
            if self._ending.is_set():
                raise StateError("the server is closed: make another")
            taken = self._heaps.get(name)
            if taken is not None and taken.heap is not heap and not taken.heap.closed:
                raise OptionError(f"the server has a heap {name!r} already: choose another name")
            self._heaps[name] = Served(name, heap)

    def close(self) -> None:
        """No more answers: connections end, and the port is free. The heaps stay as they are."""
        self._end()
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)  # from then on there are no new clients
        for thread in self._clients.copy().values():
            if thread is not threading.current_thread():
                thread.join(PATIENCE)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
        /,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return "<gcsim.Server, closed>"
        return f"<gcsim.Server of {', '.join(map(repr, self.heaps)) or 'no heap'} at {self.url}>"

    # ---- what its threads do

    def _served(self) -> list[Served]:
        with self._lock:
            return [served for served in self._heaps.values() if not served.heap.closed]

    def _chosen(self, request: Request) -> Served:
        """The heap that a client means: the one of ``heap=NAME``, or the first."""
        everyone = self._served()
        if not everyone:
            raise ClosedHeapError("all heaps of this server are closed")
        name = request.query.get("heap")
        for served in everyone:
            if name is None or name == served.name:
                return served
        names = ", ".join(served.name for served in everyone)
        raise Refusal(404, f"there is no heap {name!r}; there are: {names}")

    def _is_host(self, header: str) -> bool:
        """Whether a Host header may lead here, so that no name of another's (rebound) does.

        An address, and for loopback addresses localhost; a host that was asked for by name; with
        other machines as clients also this machine's name.
        """
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        if _is_loopback(self._host):
            return name in ("localhost", self._host.lower()) or _is_loopback(name)
        names = ("localhost", self._host.lower(), socket.gethostname().lower())
        return name in names or _address(name) is not None

    def _end(self) -> None:
        self._ending.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts (Linux)
        for client in list(self._clients):
            client.end()

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                if is_readable(self._listener, TICK):
                    self._accept()
                self._look_after()
        except (OSError, ValueError):
            if not self._ending.is_set():
                raise
        finally:
            self._end()
            self._listener.close()
            _open.discard(self)

    def _look_after(self) -> None:
        now = time.monotonic()
        for client in list(self._clients):
            if client.deadline < now:
                client.end()
        if not self._served():
            self._end()

    def _accept(self) -> None:
        try:
            connection, address = self._listener.accept()
        except OSError as error:  # no file descriptor is left, or the client has gone
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                self._ending.wait(TICK)
            return
        client = Client(connection)
        if len(self._clients) >= CLIENTS and not self._make_room():
            connection.settimeout(0)
            with contextlib.suppress(OSError):
                connection.send(_FULL)
            connection.close()
            return
        thread = threading.Thread(
            target=self._serve, args=(client, address), name="gcsim client", daemon=True
        )
        self._clients[client] = thread
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            del self._clients[client]
            connection.close()

    def _make_room(self) -> bool:
        """Ends the connection that has been silent for longest, if any is."""
        idle = [client for client in list(self._clients) if client.idle]
        if not idle:
            return False
        oldest = min(idle, key=operator.attrgetter("deadline"))
        oldest.end()
        self._clients.pop(oldest, None)
        return True

    def _serve(self, client: Client, address: Any) -> None:
        try:
            Handler(client, address, self._site)
        except (OSError, ValueError):
            pass  # the client has gone
        finally:
            client.close()
            self._clients.pop(client, None)

    def _forget(self) -> None:
        """In a forked child: closes its copies of the sockets, without a word to the clients."""
        self._lock, self._ending = threading.Lock(), threading.Event()
        self._ending.set()
        self._listener.close()
        for client in self._clients:
            client.socket.close()
        self._clients.clear()


_open: set[Server] = set()


def _forget_all() -> None:
    for server in list(_open):
        server._forget()
    _open.clear()


def _close_all() -> None:
    for server in list(_open):
        server._end()  # all at once, then wait
    for server in list(_open):
        server.close()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_close_all)


# ---- making one ----


def _check(name: object, heap: object) -> None:
    from gcsim._core import Heap

    if not isinstance(name, str):
        raise ConversionError(f"the name of a heap is a string, not {type(name).__name__}")
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise OptionError(f"the name of a heap has 1 to {_LONGEST_NAME} printable characters")
    if not isinstance(heap, Heap):
        raise ConversionError(f"{name!r} is no gcsim.Heap but {type(heap).__name__}")
    if heap.closed:
        raise ClosedHeapError(f"the heap {name!r} is closed: there is nothing to serve")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise _address_error(error, host, port) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(CLIENTS)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _address_error(error, host, port) from error
    return listener


def _address_error(error: OSError, host: str, port: int) -> AddressError:
    why = {
        errno.EADDRINUSE: "is in use: give another port, or port=0 for one that is free",
        errno.EACCES: "needs rights that this program has not: give a port from 1024 on, or port=0",
        errno.EADDRNOTAVAIL: "is no address of this machine: give host='127.0.0.1'",
    }.get(error.errno or 0, f"cannot be listened on: {error.strerror or error}")
    made = AddressError(f"{host} port {port} {why}")
    made.errno = error.errno
    return made


def serve(
    heaps: Heap | Mapping[str, Heap],
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    allow_remote: bool = False,
) -> Server:
    """Serves heaps, each under its name, over HTTP: a `Server`, which runs until it is closed.

    ``server.url`` is a live page; below it are ``metrics`` for Prometheus and ``debug/pprof/``
    with the paths and parameters of Go's net/http/pprof, of the first heap unless ``heap=NAME``
    says which. `port` 0 takes one that is free. Only this machine reaches it, unless `host` is
    another address and `allow_remote` says that this is meant: profiles and metrics then are open
    to whoever reaches the port.

    Raises AddressError for an address that is in use or forbidden, RangeError, ConversionError,
    OptionError, ClosedHeapError.
    """
    named = heaps if isinstance(heaps, Mapping) else {"heap": heaps}
    if not named:
        raise OptionError("a server has at least one heap")
    for name, heap in named.items():
        _check(name, heap)
    try:
        number = operator.index(port)
    except TypeError:
        raise ConversionError(f"port= is an int, not {type(port).__name__}") from None
    if not 0 <= number <= 65535:
        raise RangeError(f"port={number}: ports are 1 to 65535, and 0 is one that is free")
    if not isinstance(host, str):
        raise ConversionError(f"host= is a string, not {type(host).__name__}")
    if not _is_loopback(host):
        if not allow_remote:
            raise OptionError(
                f"host={host!r} may be reached from other machines, and profiles and metrics are"
                " open to whoever reaches them: pass allow_remote=True (--allow-remote) if that is"
                " meant"
            )
        warnings.warn(
            f"other machines may reach the heaps served on {host}: nothing asks who they are",
            RuntimeWarning,
            stacklevel=_outside(),
        )
    listener = _listen(host, number)
    try:
        return Server(named, listener, host)
    except BaseException:
        listener.close()
        raise


def _outside() -> int:
    """The stack level of the first caller that is not of this package, for warnings."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("gcsim."):
        level, frame = level + 1, frame.f_back
    return level


def serve_heap(
    heap: Heap, port: int = 0, host: str = "127.0.0.1", *, allow_remote: bool = False
) -> Server:
    """``heap.serve()``: `serve` of one heap, whose name is "heap"."""
    return serve({"heap": heap}, port=port, host=host, allow_remote=allow_remote)
