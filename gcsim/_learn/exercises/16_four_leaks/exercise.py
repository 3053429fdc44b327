"""Four services that leak. README.md says how; repair them."""

import gcsim
from gcsim import i64, ptr, slice_, u8


def first_answer(heap, servers):
    """Asks all servers at once and returns the answer that comes first.

    server(ch) is `go server(ch)`: it sends a number on ch, and ends.
    """
    ch = heap.make_chan(i64)
    for server in servers:
        server(ch)
    me = heap.goroutine("main.firstAnswer")
    answer = me.receive(ch).value
    me.end()
    return answer


class Sessions:
    """`var sessions map[int][]byte`: 4,096 bytes for each user who is online."""

    def __init__(self, heap):
        self.heap = heap
        table = heap.new_map(i64, slice_[u8])
        heap.globals["sessions"] = table

    def login(self, user):
        """Begins a new session."""
        table = self.heap.globals["sessions"]
        table[user] = self.heap.new_slice(u8, 4096)

    def request(self, user):
        """Serves one: how many there were in this session, with it. Up to 255."""
        table = self.heap.globals["sessions"]
        table[user][0] += 1
        return table[user][0]

    def logout(self, user):
        """The session is over."""
        table = self.heap.globals["sessions"]
        table[user][1] = 1

    def online(self, user):
        """Has this user a session?"""
        table = self.heap.globals["sessions"]
        return user in table and table[user][1] == 0


class Titles:
    """`var titles map[int][]byte`: the first line of each page."""

    def __init__(self, heap):
        self.heap = heap
        table = heap.new_map(i64, slice_[u8])
        heap.globals["titles"] = table

    def add(self, number, page):
        """page: a []byte with several lines."""
        end = bytes(page).index(b"\n")
        table = self.heap.globals["titles"]
        table[number] = page[:end]

    def get(self, number):
        """The title of a page, a []byte."""
        return self.heap.globals["titles"][number]


@gcsim.struct
class Handler:
    """`func() int { return lines(body) }`: what it has captured."""

    body: slice_[u8]


class Handlers:
    """`var handlers map[int]*Handler`: a function for each event."""

    def __init__(self, heap):
        self.heap = heap
        table = heap.new_map(i64, ptr[Handler])
        heap.globals["handlers"] = table

    def on(self, event, body):
        """Makes the handler of an event. body: a []byte that nobody writes to."""
        handler = self.heap.new(Handler, body=body)
        table = self.heap.globals["handlers"]
        table[event] = handler

    def call(self, event):
        """Calls it: how many lines the body has."""
        table = self.heap.globals["handlers"]
        return lines(table[event].body)


def lines(body):
    """How often a line ends in it."""
    return bytes(body).count(b"\n")
