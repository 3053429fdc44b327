"""HTTP for `gcsim._serve`: requests that may be answered, answers, and clients with deadlines."""

from __future__ import annotations

import contextlib
import http.server
import math
import select
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

PATIENCE = 10.0  #: seconds for a client to send its request, and to take the answer
TICK = 0.25  #: seconds between two looks at whether a client is still there

_POSTED = "/debug/pprof/symbol"  # pprof asks by POST; the answer does not depend on the body

TEXT = "text/plain; charset=utf-8"

_SAFE = {  # with every answer: it is what it says, for this page alone
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


# ---- requests and answers ----


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client gets."""

    body: bytes
    type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A request that is not answered as it wishes: the HTTP status, and why in words."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.answer = Answer(f"{words}\n".encode(), TEXT, status, headers or {})


class Request(NamedTuple):
    """A GET that may be answered."""

    path: str
    query: Mapping[str, str]  #: the first value of each parameter
    wait: Callable[[float], bool]  #: sleeps so many seconds; False: client or server went away


class Site(NamedTuple):
    """What a handler knows of the server."""

    answer: Callable[[Request], Answer]
    is_host: Callable[[str], bool]  #: whether a Host header may lead here
    ending: threading.Event  #: set when the server closes


# ---- clients ----


def is_readable(connection: socket.socket, seconds: float) -> bool:
    """Whether something, or the end, comes within so many seconds. Raises ValueError if closed."""
    poll = select.poll()  # select() knows no descriptor from 1,024 on
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Client:
    """A connection, and until when it is waited for."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.idle = True  # nothing of a request was answered yet
        self.deadline = time.monotonic() + PATIENCE

    def wait_for(self, seconds: float, *, idle: bool) -> None:
        self.idle = idle
        self.deadline = time.monotonic() + seconds

    def end(self) -> None:
        """Its thread finds the connection closed; the socket is that thread's to close."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Lets the client read the answer to what it may still be sending, but not for long."""
        self.wait_for(1, idle=True)
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(1)
            for _ in range(16):
                if not self.socket.recv(1 << 16):
                    break
        self.socket.close()

    def is_there(self) -> bool:
        try:
            if is_readable(self.socket, 0):
                return bool(self.socket.recv(1, socket.MSG_PEEK))
            return True
        except (OSError, ValueError):
            return False


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "gcsim"
    sys_version = ""
    timeout = PATIENCE
    error_content_type = TEXT
    error_message_format = "%(code)d %(message)s\n"

    def __init__(self, client: Client, address: Any, site: Site) -> None:
        self.client = client
        self.site = site
        super().__init__(client.socket, address, site)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: Any) -> None:
        pass  # a server in somebody's program is silent

    def end_headers(self) -> None:
        for name, value in _SAFE.items():
            self.send_header(name, value)
        super().end_headers()

    def handle_expect_100(self) -> bool:
        return True  # what comes is not read

    def handle_one_request(self) -> None:
        if self.site.ending.is_set():
            self.close_connection = True
            return
        self.client.wait_for(PATIENCE, idle=True)
        super().handle_one_request()

    def do_GET(self) -> None:
        self.client.wait_for(math.inf, idle=False)
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body that nobody reads
        try:
            answer = self.site.answer(self._request())
        except Refusal as refusal:
            answer = refusal.answer
        except Exception:
            traceback.print_exc()
            answer = Answer(b"a bug: the program's standard error has its traceback\n", status=500)
        self._send(answer)

    do_HEAD = do_GET

    def _refuse_method(self) -> None:
        self.close_connection = True  # there may be a body
        self._send(Refusal(405, "only GET and HEAD are answered", {"Allow": "GET, HEAD"}).answer)

    def do_POST(self) -> None:
        if self.path == _POSTED:
            self.do_GET()
        else:
            self._refuse_method()

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse_method

    def _request(self) -> Request:
        """Raises Refusal for what does not come from a program or page that means this server."""
        if not self.site.is_host(self.headers.get("Host", "")):
            raise Refusal(
                421,
                "this server answers to its own address only (a page whose name was made to lead"
                " here is none of its own); use the URL that it told",
            )
        site = self.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") and (
            self.headers.get("Sec-Fetch-Mode") != "navigate"
        ):
            raise Refusal(403, "pages of other sites are not answered")
        try:
            parts = urlsplit(self.path)
            path = unquote(parts.path, errors="strict")
            query = parse_qs(parts.query, keep_blank_values=True, max_num_fields=20)
        except ValueError:
            raise Refusal(400, "the address cannot be understood") from None
        if not self.path.startswith("/") or parts.netloc:
            raise Refusal(400, "the address is not a path")
        if any(part in (".", "..") for part in path.split("/")) or "\\" in path or "\0" in path:
            raise Refusal(400, "the path leads elsewhere")
        return Request(path, {k: v[0] for k, v in query.items()}, self._wait)

    def _wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.site.ending.wait(min(left, TICK)) or not self.client.is_there():
                return False
        return True

    def _send(self, answer: Answer) -> None:
        self.client.wait_for(PATIENCE, idle=False)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
