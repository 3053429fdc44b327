"""What exercise.py has to pass: the results stay, and what is alive does not grow."""

import random
from itertools import count

import pytest

import gcsim
from gcsim import slice_, u8
from gcsim.learn import exact

BODY = 4096


def page_of(heap, text):
    """A []byte of 4,096 bytes that begins with the text."""
    page = heap.new_slice(u8, BODY)
    memoryview(page)[: len(text)] = text
    return page


def check_live(heap, allowed, after):
    """Nothing that is alive may be more than what the service needs."""
    live = heap.collect().heap_marked
    if live > allowed:
        suspects = heap.snapshot(owners=False).suspects(0.01)
        held = "\n".join(s.words for s in suspects[:3])
        pytest.fail(f"after {after} {live:,} bytes are alive; {allowed:,} are enough\n{held}")


def keys(heap, name, service):
    """The keys of the map below a global, which is all that the service may have."""
    mine = sorted(getattr(service, "__dict__", {}))
    exact(mine, ["heap"], f"attributes of {type(service).__name__}, whose state lies on the heap")
    table = heap.globals[name]
    assert type(table) is gcsim.Map, f"global {name} holds {type(table).__name__} and no map"
    return sorted(table)


# ---- the goroutine ----


class Servers:
    """Servers that are asked, each a goroutine with 4,096 bytes on its stack."""

    def __init__(self, heap):
        self.heap, self.started, self.numbers = heap, [], count(1)

    def server(self, answer):
        def go(ch):
            assert isinstance(ch, gcsim.Channel), f"a server was given {type(ch).__name__}"
            goroutine = self.heap.goroutine(f"server {next(self.numbers)}")
            frame = goroutine.push("main.server", body=slice_[u8])
            frame.body = self.heap.new_slice(u8, BODY)
            goroutine.send(ch, answer)
            self.started.append(goroutine)

        return go

    def ask(self, exercise, answers):
        before = len(self.started)
        got = exercise.first_answer(self.heap, [self.server(answer) for answer in answers])
        exact(got, answers[0], f"first_answer of servers that answer {answers}")
        exact(len(self.started) - before, len(answers), "servers that were asked")
        for goroutine in self.started:
            assert not goroutine.ended, f"{goroutine} was ended by somebody else"
            if not goroutine.blocked:
                goroutine.end()
        self.started = [goroutine for goroutine in self.started if not goroutine.ended]

    def check(self, asked):
        left = self.heap.goroutines()
        waiting = "".join(f"\n  {g.name}: {g.wait_reason or 'not ended'}" for g in left[:5])
        assert not left, f"{len(left)} goroutines are left after {asked} rounds:{waiting}"
        check_live(self.heap, 1024, f"{asked} rounds")


@pytest.mark.parametrize("servers", [1, 2, 3, 40])
def test_first_answer(exercise, heap, servers):
    """Two servers of three wait to send for ever, and their stacks keep all they point to."""
    asked = Servers(heap)
    for round_ in range(5):
        asked.ask(exercise, [100 * round_ + i for i in range(servers)])
    asked.check(5)


@pytest.mark.gc_seeds(5)
def test_any_first_answer(exercise, heap, seed):
    """Go 1.26's goroutineleak profile finds these, and only these: nobody can wake them."""
    dice, asked = random.Random(seed), Servers(heap)
    for _ in range(20):
        asked.ask(exercise, [dice.randrange(-1000, 1000) for _ in range(dice.randrange(1, 12))])
    asked.check(20)


# ---- the map ----


def check_sessions(heap, service, online, after):
    exact(keys(heap, "sessions", service), sorted(online), f"keys of global sessions after {after}")
    check_live(heap, len(online) * (BODY + 100) + 2048, after)


def test_sessions(exercise, heap):
    """Only who deletes a session frees it: a map is a root of all that was ever put into it."""
    sessions = exercise.Sessions(heap)
    for user in range(3):
        sessions.login(user)
    exact([sessions.request(user) for user in (0, 1, 1, 1)], [1, 1, 2, 3], "requests")
    sessions.logout(1)
    exact([sessions.online(user) for user in range(4)], [True, False, True, False], "online")
    sessions.login(1)
    exact([sessions.request(user) for user in (1, 0, 2)], [1, 2, 1], "requests after a new login")
    check_sessions(heap, sessions, {0, 1, 2}, "four logins and a logout")


@pytest.mark.gc_seeds(4)
def test_users_come_and_go(exercise, heap, seed):
    """Go's maps never shrink, but reuse what is deleted: so many live as were online at once."""
    dice, sessions, new = random.Random(seed), exercise.Sessions(heap), count(1000)
    online, gone = {}, []
    for _ in range(600):
        if len(online) < 5 or (len(online) < 8 and dice.random() < 0.5):
            user = next(new) if not gone or dice.random() < 0.9 else dice.choice(gone)
            sessions.login(user)
            online[user] = 0
        user = dice.choice(list(online))
        online[user] += 1
        exact(sessions.request(user), online[user], f"requests of user {user}")
        if online[user] > 4 or dice.random() < 0.4:
            sessions.logout(user)
            del online[user]
            gone.append(user)
            exact(sessions.online(user), False, f"online({user}) after the logout")
    for user in [*online, *gone[-20:]]:
        exact(sessions.online(user), user in online, f"online({user})")
    check_sessions(heap, sessions, online, f"{len(gone)} sessions that are over")


# ---- the sub-slice ----


def check_titles(exercise, heap, titles):
    service = exercise.Titles(heap)
    for number, title in titles.items():
        service.add(number, page_of(heap, title + b"\nand more\nof it"))
    for number, title in titles.items():
        got = service.get(number)
        assert type(got) is gcsim.Slice, f"a title is {type(got).__name__} and no []byte"
        exact(bytes(got), title, f"the title of page {number}")
    del got
    exact(keys(heap, "titles", service), sorted(titles), "keys of global titles")
    stored = heap.globals["titles"]
    for number, title in titles.items():
        kept = stored[number]
        exact(None if kept is None else bytes(kept), title, f"global titles[{number}]")
    del stored, kept
    check_live(
        heap, sum(map(len, titles.values())) + len(titles) * 120 + 2048, f"{len(titles)} pages"
    )


def test_titles(exercise, heap):
    """Ten bytes of a page keep all of it: the collector frees objects, not parts of them."""
    check_titles(exercise, heap, {i: b"page %d" % i for i in range(20)})


@pytest.mark.gc_seeds(4)
def test_any_titles(exercise, heap, seed):
    """slices.Clone and strings.Clone are there for this; a smaller capacity frees nothing."""
    dice = random.Random(seed)
    numbers = dice.sample(range(10_000), 60)
    titles = {n: bytes(dice.choices(b"abc xyz", k=dice.randrange(60))) for n in numbers}
    check_titles(exercise, heap, titles)


# ---- the closure ----


def check_handlers(exercise, heap, bodies):
    service = exercise.Handlers(heap)
    for event, body in bodies.items():
        service.on(event, page_of(heap, body))
    for _ in range(2):
        for event, body in bodies.items():
            exact(service.call(event), body.count(b"\n"), f"lines of event {event}")
    exact(keys(heap, "handlers", service), sorted(bodies), "keys of global handlers")
    stored = heap.globals["handlers"]
    assert all(stored[event] is not None for event in bodies), "global handlers holds nil"
    del stored
    check_live(heap, len(bodies) * 120 + 2048, f"{len(bodies)} events")


def test_handlers(exercise, heap):
    """The chapter's `bigData = nil` frees the data, and its closures then print length 0."""
    check_handlers(exercise, heap, {i: b"one\ntwo\n" + b"\n" * i for i in range(20)})


@pytest.mark.gc_seeds(4)
def test_any_handlers(exercise, heap, seed):
    """A closure captures variables whole: copy out what it needs before it is made."""
    dice = random.Random(seed)
    events = dice.sample(range(10_000), 60)
    bodies = {e: bytes(dice.choices(b"a\n", k=dice.randrange(BODY))) for e in events}
    check_handlers(exercise, heap, bodies)
