"""What strangers may do to the server in Python, as a command for examples/authority/tests/hosts."""

import collections
import json
import socket
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "examples/python-server"), str(ROOT / "tests/interop")]

import limits  # noqa: E402
import server  # noqa: E402
from authority import KEPT, Code, Refused  # noqa: E402
from limits import Limit, Pace, Places, TooMany, Turns, peer_of  # noqa: E402
from nodelock_format import code, release  # noqa: E402


class Peers(unittest.TestCase):
    def test_an_ipv6_network_is_one_peer(self):
        self.assertEqual(peer_of("2001:db8::1"), peer_of("2001:db8::ffff%eth0"))
        self.assertNotEqual(peer_of("2001:db8::1"), peer_of("2001:db8:0:1::1"))
        self.assertEqual(peer_of("::ffff:192.0.2.1"), peer_of("192.0.2.1"))

    def test_a_peer_is_whom_the_proxy_was_connected_from_and_nobody_else_says(self):
        app = server.application(None, "192.0.2.1")
        seen = []

        def ask(remote, forwarded):
            environ = {"REMOTE_ADDR": remote, "REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_X_FORWARDED_FOR": forwarded}
            with mock.patch.object(Places, "enter", lambda _, peer: seen.append(peer) or True):
                with mock.patch.object(Places, "leave"):
                    app(environ, lambda *_: None)
            return seen[-1]

        self.assertEqual(ask("192.0.2.1", "203.0.113.9, 198.51.100.7"), "198.51.100.7")
        self.assertEqual(ask("192.0.2.1", "198.51.100.7, unknown"), "192.0.2.1")
        self.assertEqual(ask("192.0.2.1", ""), "192.0.2.1")
        self.assertEqual(ask("203.0.113.5", "198.51.100.7"), "203.0.113.5")


class Limits(unittest.TestCase):
    def test_attempts_count_before_they_are_made_and_for_their_peer_alone(self):
        limit = Limit(2, 900)
        limit.take("a", 5)
        self.assertRaises(TooMany, limit.check, "a")
        self.assertRaises(TooMany, limit.take, "a")
        for number in range(100):
            limit.take(number)
            limit.check(number)
        for _ in range(10):
            limit.take(None)

    def test_newcomers_keep_a_share_of_what_everybody_may(self):
        limit = Limit(6, 900, in_all=10, for_newcomers=4)
        for _ in range(6):
            limit.take("a")
        self.assertRaises(TooMany, limit.take, "a")
        limit.take("b", 2)
        self.assertRaises(TooMany, limit.take, "b")
        limit.take("c", 2)
        self.assertRaises(TooMany, limit.take, "d")

    def test_a_window_that_is_over_forgets_all(self):
        limit = Limit(1, 900)
        limit.take("a")
        with mock.patch("time.monotonic", lambda: limit.ends):
            limit.take("a")

    def test_a_full_table_forgets_the_peer_that_tried_least(self):
        limit = Limit(2, 900)
        limit.take("a", 2)
        for number in range(limits.MOST_PEERS + 100):
            limit.take(number)
        self.assertEqual(len(limit.tried), limits.MOST_PEERS)
        self.assertRaises(TooMany, limit.take, "a")

    def test_a_flood_of_one_peer_delays_another_by_one_turn(self):
        turns, served = Turns(), []
        turns.free = 1

        def serve(peer):
            with turns.turn(peer):
                served.append(peer)

        waiting = []
        with turns.turn("a"):
            for peer in "aaaabcb":
                before = sum(map(len, turns.lines.values()))
                waiting.append(threading.Thread(target=serve, args=peer))
                waiting[-1].start()
                while sum(map(len, turns.lines.values())) == before:
                    time.sleep(0.001)
        for thread in waiting:
            thread.join()
        self.assertEqual("".join(served), "bacbaaa")
        self.assertEqual((turns.free, turns.lines), (1, {}))


class Paces(unittest.TestCase):
    def setUp(self):
        self.now, self.pace = 1000, Pace()

        def sleep(seconds):
            self.now += seconds

        for name, instead in ("time.monotonic", lambda: self.now), ("time.sleep", sleep):
            patched = mock.patch(name, instead)
            patched.start()
            self.addCleanup(patched.stop)

    def take(self, peer, count, is_good):
        """How many seconds so many requests take, one after the other."""
        start = self.now
        for _ in range(count):
            self.pace.wait(peer)
            if is_good:
                self.pace.was_good(peer)
        return self.now - start

    def test_refused_requests_of_a_peer_wait_and_delay_no_other(self):
        self.assertEqual(self.take("a", 100, False), 0)
        self.assertAlmostEqual(self.take("a", 100, False), 5, delta=0.1)
        self.assertEqual(self.take("b", 1, True), 0)
        self.now += 60
        self.assertEqual(self.take("a", 990, True), 0)
        self.assertAlmostEqual(self.take("a", 1000, True), 5, delta=0.1)

    def test_no_request_waits_for_longer_than_two_seconds(self):
        for _ in range(1000):
            self.pace.count("a")
        self.assertLessEqual(self.take("a", 1, False), Pace.LONGEST + Pace.REFUSED)

    def test_so_many_peers_are_remembered_and_the_busy_ones_before_others(self):
        with mock.patch.object(limits, "MOST_PEERS", 3):
            for peer in "abc" * 100:
                self.pace.count(peer)
            self.assertEqual(self.take("d", 1000, False), 0, "there is no place to remember it")
            self.assertGreater(self.take("a", 1, False), 0)
            self.now += 60
            self.take("d", 1, False)
        self.assertEqual(list(self.pace.used), ["d"])


class Served(unittest.TestCase):
    def serve(self, vendor=None):
        """The address of a server, and the server."""
        app = server.application(vendor)
        httpd = server.make_server("127.0.0.1", 0, app, server.Server, server.Handler)
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        self.addCleanup(httpd.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(httpd.shutdown)
        return httpd.server_address

    def connect(self, address, source="127.0.0.1"):
        connection = socket.create_connection(address, timeout=60, source_address=(source, 0))
        self.addCleanup(connection.close)
        return connection

    def ask(self, address, path, source="127.0.0.1"):
        connection = self.connect(address, source)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def test_refused_requests_are_taken_up_at_a_pace_of_their_peer(self):
        paced = []
        with mock.patch.object(Pace, "wait", lambda _, peer: paced.append(("wait", peer))):
            with mock.patch.object(Pace, "was_good", lambda _, peer: paced.append(("good", peer))):
                address = self.serve()
                self.assertEqual(self.ask(address, "/nothing")[0], 404)
                self.assertEqual(self.ask(address, "/")[0], 200)
        peer = "127.0.0.1"
        self.assertEqual(paced, [("wait", peer), ("wait", peer), ("good", peer)])

    def test_a_process_is_alive_though_a_stranger_has_all_places(self):
        with mock.patch.object(Places, "enter", lambda places, peer: places.of_peer != 16):
            address = self.serve()
            self.assertEqual(self.ask(address, "/readyz")[0], 503)
            self.assertEqual(self.ask(address, "/healthz"), (200, "alive\n"))

    def test_a_body_that_drips_ends_with_its_request(self):
        with mock.patch.object(server, "PATIENCE", 0.5):
            connection = self.connect(self.serve())
            connection.sendall(b"POST /redeem HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            ended = threading.Event()

            def drip():
                while not ended.wait(0.1):
                    connection.sendall(b".")

            dripping = threading.Thread(target=drip)
            dripping.start()
            answer = connection.makefile("rb").readline()
            ended.set()
            dripping.join()
        self.assertIn(b" 408 ", answer)

    def test_a_head_that_never_ends_is_not_waited_for(self):
        with mock.patch.object(server, "PATIENCE", 0.5):
            connection = self.connect(self.serve())
            connection.sendall(b"POST /redeem HTTP/1.1\r\nHost: a\r\n")
            self.assertEqual(connection.recv(1), b"")

    @unittest.skipUnless(sys.platform == "linux", "elsewhere loopback has one address")
    def test_one_peers_connections_leave_places_for_others(self):
        address = self.serve()
        connections = [self.connect(address) for _ in range(40)]
        closed = 0
        for connection in connections[32:]:
            try:
                closed += connection.recv(1) == b""
            except ConnectionResetError:
                closed += 1
        self.assertEqual(closed, 8)
        other = self.connect(address, "127.0.0.2")
        other.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b" 200 ", other.makefile("rb").readline())
        for connection in connections:
            connection.close()


class Kept(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = temporary.name + "/vendor"
        server.Vendor.init(folder)
        self.vendor = server.Vendor(folder)
        self.vendor.limits.codes = Limit(10_000, 900)

    def test_it_is_ready_while_it_can_sign_and_write(self):
        def lacking():
            self.vendor.looked = None
            return self.vendor.lacking() or ""

        self.assertEqual(lacking(), "")
        day = 86_400
        for since in -800 * day, 800 * day:
            with mock.patch.object(server, "now", lambda since=since: int(time.time()) + since):
                self.assertRegex(lacking(), "nothing can be signed: issuer certificate .* is valid from")
        with mock.patch.object(server, "LOOK_LASTS", 0.1), self.vendor.transaction():
            self.assertEqual(lacking(), "nothing can be written: database is locked")
        key = self.vendor.folder / "issuer.key"
        key.rename(key.with_suffix(".away"))
        self.vendor.certificate = None
        self.assertEqual(lacking(), "nothing can be signed: No such file or directory")

    def test_looks_at_what_it_lacks_are_few(self):
        with mock.patch.object(self.vendor, "look_for_lacks", mock.Mock(return_value="a disk")) as look:
            self.assertEqual([self.vendor.lacking() for _ in range(100)], ["a disk"] * 100)
            self.assertEqual(look.call_count, 1)
            with mock.patch("time.monotonic", lambda: self.vendor.looked[1] + server.LOOK_LASTS):
                self.vendor.lacking()
            self.assertEqual(look.call_count, 2)

    def settle(self, number, peer):
        return self.vendor.settle(Code(code.deactivation_code(release.Release(number, number))), peer)[0].outcome

    def rows(self):
        with self.vendor.look() as database:
            return database.execute("SELECT peer, count(*) FROM evidence GROUP BY peer ORDER BY peer").fetchall()

    def test_what_nobody_asked_for_is_counted_for_its_peer_and_not_stored_beyond(self):
        self.vendor.limits.unseen = Limit(2, 3600, in_all=100, for_newcomers=50)
        for number in (1, 2):
            self.assertEqual(self.settle(number, "a"), KEPT)
        self.assertRaises(TooMany, self.settle, 3, "a")
        self.assertEqual(self.settle(1, "a"), KEPT, "what is kept already is nothing new")
        self.assertEqual(self.settle(3, "b"), KEPT)
        self.assertEqual(self.settle(4, None), KEPT, "the vendor at the desk")
        self.assertEqual(self.rows(), [("", 1), ("a", 2), ("b", 1)])

    def test_wrong_license_keys_of_a_peer_refuse_no_right_one(self):
        wrong = mock.Mock(refusal=mock.Mock(status=server.authority.UNKNOWN_LICENSE))
        right = mock.Mock(refusal=None)
        settle = mock.Mock()

        def activate(decision, peer):
            activation = mock.Mock(releases=[])
            activation.decide.return_value = mock.Mock(queries=[], outcome=-1, refusal=decision.refusal)
            settle.return_value = (decision, "text")
            with mock.patch.object(self.vendor, "settle", settle):
                return self.vendor.activate(activation, peer)[0]

        for _ in range(20):
            self.assertIs(activate(wrong, "a"), wrong)
        self.assertRaises(TooMany, activate, wrong, "a")
        self.assertEqual(settle.call_count, 20, "beyond the limit a wrong key waits for no writer")
        self.assertIs(activate(right, "a"), right)
        self.assertIs(activate(wrong, "b"), wrong)

    def test_requests_with_one_key_that_are_refused_are_limited_by_key_and_peer(self):
        self.vendor.limits.refused_requests = Limit(2, 900)
        full = mock.Mock(refusal=mock.Mock(status=71))

        def activate(key, peer):
            settle = mock.Mock(return_value=(full, "text"))
            with mock.patch.object(self.vendor, "settle", settle):
                return self.vendor.activate(mock.Mock(key_hash=key, releases=[]), peer)[0]

        for _ in range(2):
            self.assertIs(activate("one", "a"), full)
        self.assertRaises(TooMany, activate, "one", "a")
        self.assertIs(activate("two", "a"), full)
        for _ in range(3):
            self.assertIs(activate("one", None), full, "the vendor at the desk")
        self.assertIs(activate("one", "b"), full)

        # What the library raises is a refusal, too, and what only the vendor can mend is none.
        for status, refused in (74, 2), (server.authority.CERTIFICATE_EXPIRED, 3):
            settle = mock.Mock(side_effect=Refused(status))
            with mock.patch.object(self.vendor, "settle", settle):
                for _ in range(3):
                    with self.assertRaises((Refused, TooMany)):
                        self.vendor.activate(mock.Mock(key_hash=f"{status}", releases=[]), "c")
            self.assertEqual(settle.call_count, refused)

    def test_cancelled_seats_go_once_their_requests_are_outdated(self):
        five_years, now = 5 * 365 * 86_400, 2_000_000_000

        def insert(number, state, requested, granted):
            record = json.dumps({"state": state, "requested": requested, "granted": granted})
            row = {"handle": f"{number}", "device_key": "", "license": None, "record": record}
            row |= dict.fromkeys(["is_taken", "is_lapsed", "ends", "is_counted", "is_activation"], 0) | {"machine": "", "tags": ""}
            change = row | {"kind": server.authority.INSERT_SEAT, "name": f"{number}:"}
            inserted = collections.namedtuple("Change", change)(**change)
            with mock.patch.object(server, "now", lambda: granted), self.vendor.transaction() as database:
                server.store(database, mock.Mock(changes=[inserted]), None)

        insert(1, "cancelled", now, now)
        insert(2, "returned", now, now)
        insert(3, "cancelled", 0, now)
        insert(4, "cancelled", now + 1, now)
        insert(5, "cancelled", now + five_years, now + five_years + 1)
        with self.vendor.look() as database:
            self.assertEqual([row for row, in database.execute("SELECT handle FROM seats ORDER BY handle")], list("2345"))

    def test_evidence_goes_by_its_age_and_of_a_peer_the_oldest(self):
        self.settle(1, "b")
        with mock.patch.object(server, "now", lambda: int(time.time()) + 800 * 86_400):
            self.settle(2, "a")
        self.assertEqual(self.rows(), [("a", 1)])
        with self.vendor.transaction() as database:
            insert = server.STORE[server.authority.KEEP_EVIDENCE]
            for number in range(1100):
                database.execute(insert, {"name": f"{number}", "record": "", "peer": "c", "now": 0})
        self.assertEqual(self.rows(), [("a", 1), ("c", 1000)])

    def store_approval(self, number, state, peer="a", license="one", kept=0):
        row = {"handle": f"{number}", "device_key": "", "license": license, "peer": peer, "now": kept}
        row["record"] = json.dumps({"state": state})
        with self.vendor.transaction() as database:
            database.execute(server.STORE[server.authority.STORE_APPROVAL], row)

    def approvals(self):
        with self.vendor.look() as database:
            rows = database.execute("SELECT handle, json_extract(record, '$.state') FROM approvals ORDER BY number")
            return [(int(handle), state) for handle, state in rows]

    def test_what_the_vendor_approved_is_pushed_out_by_no_request(self):
        self.store_approval(0, "waiting")
        self.store_approval(0, "approved", peer="")
        self.store_approval(1, "refused")
        for number in range(2, 302):
            self.store_approval(number, "waiting", peer=f"{number // 50}")
        waiting = [(number, "waiting") for number in range(102, 302)]
        self.assertEqual(self.approvals(), [(0, "approved"), *waiting])
        # A peer has a hundred, of whatever license; and one that asks again keeps its place.
        for number in range(1000, 1150):
            self.store_approval(number, "waiting", "b", f"{number}")
        self.store_approval(1050, "waiting", "b", "1050")
        ours = [number for number, _ in self.approvals() if number >= 1000]
        self.assertEqual(ours, list(range(1050, 1150)))
        # It goes by its age.
        self.store_approval(2000, "waiting", kept=60 * 86_400 + 1)
        self.assertEqual(self.approvals(), [(2000, "waiting")])

    def test_a_peers_cancelled_seats_are_bounded_and_drop_none(self):
        def cancel(number, peer):
            record = json.dumps({"state": "cancelled", "requested": 2_000_000_000})
            row = {"handle": f"{number}", "device_key": "", "license": None, "record": record}
            row |= {"machine": "", "tags": ""} | dict.fromkeys(["is_taken", "is_lapsed", "ends", "is_counted", "is_activation"], 0)
            row |= {"kind": server.authority.INSERT_SEAT, "name": f"{number}:"}
            inserted = collections.namedtuple("Change", row)(**row)
            with self.vendor.transaction() as database:
                server.store(database, mock.Mock(changes=[inserted]), peer)
            return inserted

        with mock.patch.object(server, "MOST_CANCELLED_OF_PEER", 2):
            first = cancel(1, "a")
            cancel(2, "a")
            self.assertRaises(TooMany, cancel, 3, "a")
            # Whose it is does not change with the seat.
            updated = first._replace(kind=server.authority.UPDATE_SEAT)
            with self.vendor.transaction() as database:
                server.store(database, mock.Mock(changes=[updated]), "b")
            self.assertRaises(TooMany, cancel, 3, "a")
            cancel(3, "b")
            for number in 4, 5, 6:
                cancel(number, None)
        with self.vendor.look() as database:
            rows = database.execute("SELECT handle, cancelled_by FROM seats ORDER BY handle").fetchall()
        whose = ["a", "a", "b", None, None, None]
        self.assertEqual(rows, [(f"{number}", peer) for number, peer in enumerate(whose, 1)])

    def test_a_request_counts_for_its_license_key_as_that_is_looked_up(self):
        vectors = json.loads((ROOT / "tests/vectors/messages.json").read_text())
        request = vectors["request"]
        key = request["fields"]["license_key"]
        hashed = server.authority.license_key_hash(key.lower().replace("-", " "))
        self.assertEqual(server.Activation.read(request["text"].encode()).key_hash, hashed)
        self.assertNotEqual(hashed, server.authority.license_key_hash(server.authority.new_license_key()))


if __name__ == "__main__":
    unittest.main()
