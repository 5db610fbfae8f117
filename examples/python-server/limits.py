"""What strangers may do to a server: how often each of them may try something, and how many may be at it at a time.

A peer is an IPv4 address or an IPv6 network. The counters are in memory, so a restart forgets them and several
processes count apart. No seat depends on them: the library counts the codes that are tried at a seat, in the database.
"""

import ipaddress
import math
import os
import time
from collections import Counter, deque
from contextlib import contextmanager
from threading import Condition, Lock

QUARTER = 15 * 60
HOUR = 60 * 60
# How many peers a limit remembers. When there are more, the one that tried least is forgotten.
MOST_PEERS = 10_000


class TooMany(Exception):
    """Somebody must wait for so many seconds."""

    def __init__(self, seconds):
        self.seconds = max(1, int(seconds))
        super().__init__(f"too many attempts; try again in {self.seconds} s")


def peer_of(address):
    """An IPv6 customer has a network of 2^64 addresses, which are one peer."""
    address = ipaddress.ip_address(address.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))


class Limit:
    """How often each peer may try within a window. What everybody may do in all, if that is bounded, has a share that
    is left to peers which did not try before: one that floods the server does not stop the others."""

    def __init__(self, of_peer, window, in_all=math.inf, for_newcomers=0):
        self.of_peer, self.window, self.in_all, self.for_newcomers = of_peer, window, in_all, for_newcomers
        self.lock, self.ends, self.tried, self.total = Lock(), 0, Counter(), 0

    def check(self, peer):
        """Fails when a peer may not try again yet."""
        self.take(peer, 0)

    def take(self, peer, attempts=1):
        """Counts attempts before they are made, whatever comes of them: requests that come at once do not get past the
        limit. Those of one message are made all or none. The vendor at the desk, who is no peer, has no limit."""
        if peer is None:
            return
        with self.lock:
            now = time.monotonic()
            if now >= self.ends:
                self.ends, self.tried, self.total = now + self.window, Counter(), 0
            in_all = self.in_all - (self.for_newcomers if peer in self.tried else 0)
            if self.tried[peer] >= self.of_peer or self.total >= in_all:
                raise TooMany(self.ends - now)
            if attempts == 0:
                return
            if len(self.tried) >= MOST_PEERS and peer not in self.tried:
                del self.tried[min(self.tried, key=self.tried.get)]
            self.tried[peer] += attempts
            self.total += attempts


class Places:
    """How many may be at something at a time, of each peer and in all."""

    def __init__(self, of_peer, in_all):
        self.of_peer, self.in_all = of_peer, in_all
        self.lock, self.taken = Lock(), Counter()

    def enter(self, peer):
        """Whether there was a place. Whoever got one leaves it. None is no peer, and may have all places."""
        with self.lock:
            is_full = peer is not None and self.taken[peer] >= self.of_peer
            if is_full or self.taken.total() >= self.in_all:
                return False
            self.taken[peer] += 1
            return True

    def leave(self, peer):
        with self.lock:
            self.taken[peer] -= 1
            self.taken = +self.taken


class Pace:
    """How fast the requests of one peer are taken up. One that comes too early waits, and its connection with it. A
    request that is refused counts ten times as much as one that is not, so a peer that makes no mistake hardly ever
    waits, also when it is a whole office."""

    # Seconds of a request that is refused, and of one that is not: 20 or 200 of them in a second.
    REFUSED, GOOD = 0.05, 0.005
    # How many seconds a peer that was silent may use up at once, and how many a request waits at most.
    AT_ONCE, LONGEST = 5, 2

    def __init__(self):
        self.lock, self.used = Lock(), {}

    def wait(self, peer):
        """Waits until a request of the peer is due, and counts it as if it were refused."""
        if (seconds := self.count(peer)) > 0:
            time.sleep(seconds)

    def count(self, peer):
        now = time.monotonic()
        with self.lock:
            if len(self.used) >= MOST_PEERS and peer not in self.used:
                self.used = {other: used for other, used in self.used.items() if used > now - self.AT_ONCE}
                # With so many peers that are busy, a new one is not remembered and does not wait.
                if len(self.used) >= MOST_PEERS:
                    return 0
            silent = now - self.AT_ONCE
            used = min(max(self.used.get(peer, silent), silent), now + self.LONGEST)
            self.used[peer] = used + self.REFUSED
            return self.used[peer] - now

    def was_good(self, peer):
        """Takes back what a request was counted too much that was not refused."""
        with self.lock:
            if peer in self.used:
                self.used[peer] -= self.REFUSED - self.GOOD


class Turns:
    """Whose turn it is to have a code verified, which takes a processor for up to a tenth of a second. One processor
    stays free for everything else. Each peer has a line, and the lines take turns: however many codes one peer sends,
    another one's is next."""

    def __init__(self):
        self.free = max(1, (os.cpu_count() or 1) - 1)
        self.changed, self.lines, self.last = Condition(), {}, None

    def next(self):
        """Whose turn is next. Another peer than the last one, so that it waits for no second one of the same peer."""
        first, *others = self.lines
        return others[0] if others and first == self.last else first

    @contextmanager
    def turn(self, peer):
        with self.changed:
            me = object()
            self.lines.setdefault(peer, deque()).append(me)
            self.changed.wait_for(lambda: self.free > 0 and self.lines[self.next()][0] is me)
            self.free, self.last = self.free - 1, peer
            line = self.lines.pop(peer)
            line.popleft()
            if line:
                # At the end of the round.
                self.lines[peer] = line
            self.changed.notify_all()
        try:
            yield
        finally:
            with self.changed:
                self.free += 1
                self.changed.notify_all()
