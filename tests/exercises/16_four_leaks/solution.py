"""A solution of 16_four_leaks."""

import gcsim
from gcsim import i64, ptr, slice_, u8


def first_answer(heap, servers):
    ch = heap.make_chan(i64, len(servers))
    for server in servers:
        server(ch)
    me = heap.goroutine("main.firstAnswer")
    answer = me.receive(ch).value
    me.end()
    return answer


class Sessions:
    def __init__(self, heap):
        self.heap = heap
        table = heap.new_map(i64, slice_[u8])
        heap.globals["sessions"] = table

    def login(self, user):
        table = self.heap.globals["sessions"]
        table[user] = self.heap.new_slice(u8, 4096)

    def request(self, user):
        table = self.heap.globals["sessions"]
        table[user][0] += 1
        return table[user][0]

    def logout(self, user):
        table = self.heap.globals["sessions"]
        del table[user]

    def online(self, user):
        table = self.heap.globals["sessions"]
        return user in table


class Titles:
    def __init__(self, heap):
        self.heap = heap
        table = heap.new_map(i64, slice_[u8])
        heap.globals["titles"] = table

    def add(self, number, page):
        end = bytes(page).index(b"\n")
        table = self.heap.globals["titles"]
        title = self.heap.new_slice(u8, end)
        title.copy_from(page[:end])
        table[number] = title

    def get(self, number):
        return self.heap.globals["titles"][number]


@gcsim.struct
class Handler:
    size: i64


class Handlers:
    def __init__(self, heap):
        self.heap = heap
        table = heap.new_map(i64, ptr[Handler])
        heap.globals["handlers"] = table

    def on(self, event, body):
        handler = self.heap.new(Handler, size=lines(body))
        table = self.heap.globals["handlers"]
        table[event] = handler

    def call(self, event):
        table = self.heap.globals["handlers"]
        return table[event].size


def lines(body):
    return bytes(body).count(b"\n")
