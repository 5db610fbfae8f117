"""For an application's own tests in Python: a vendor in memory, a clock to set, computers to choose.

    authority = Authority("Example Editor")
    license_key = authority.sell(seats=2)
    client = nodelock.Client("Example Editor", [], test=authority.computer("desk"))
    client.activate(license_key)
    authority.advance(90)
    assert not client.check().usable

It needs a library that was built with feature `testing`, which NODELOCK_LIBRARY names. What customers get has no such
feature. Nothing is written to a disk and nothing is sent.
"""

import ctypes
import json
from ctypes import POINTER, byref, c_char_p, c_size_t, c_uint32, c_uint64, c_void_p

import nodelock

# What goes wrong on the way: see include/nodelock.h.
(
    NONE, DOWN, SILENT, TIMED_OUT, ANSWER_LOST, ANSWER_CUT, STRANGER, BUSY, FAILED,
    TLS_UNTRUSTED, TLS_WRONG_HOST, TLS_EXPIRED,
) = range(12)
# What a computer of a name is.
SAME, CHANGED_A_LITTLE, CHANGED_MUCH, CHANGED_TOO_MUCH, HIDDEN, VIRTUAL = range(6)

_library = nodelock._library
_Out = POINTER(c_void_p)
_FALLIBLE = {
    "test_authority_new": (c_char_p, _Out),
    "test_authority_sell": (c_void_p, c_char_p, _Out),
    "test_authority_change_terms": (c_void_p, c_char_p, c_char_p),
    "test_authority_new_deployment_key": (c_void_p, c_char_p, c_uint32, _Out),
    "test_authority_revoke_deployment_key": (c_void_p, c_char_p),
    "test_authority_release": (c_void_p, c_char_p, c_char_p),
    "test_authority_set_time": (c_void_p, c_uint64),
    "test_authority_advance": (c_void_p, c_uint64),
    "test_authority_fail": (c_void_p, c_uint32),
    "test_authority_fail_next": (c_void_p, c_uint32),
    "test_authority_answer": (c_void_p, c_char_p, c_size_t, _Out),
    "test_authority_redeem_code": (c_void_p, c_char_p, _Out),
    "config_set_test_authority": (c_void_p, c_void_p),
    "config_set_test_machine": (c_void_p, c_char_p, c_uint32),
    "config_set_store_in_memory": (c_void_p,),
}
_LOOKS = {
    "test_authority_taken": (c_uint32, c_void_p, c_char_p),
    "test_authority_now": (c_uint64, c_void_p),
    "test_authority_free": (None, c_void_p),
    "bytes_data": (c_void_p, c_void_p, POINTER(c_size_t)),
    "bytes_free": (None, c_void_p),
}
if not hasattr(_library, "nodelock_test_authority_new"):
    raise ImportError("this library of nodelock was built without feature `testing`")
for _name, _arguments in _FALLIBLE.items():
    _function = getattr(_library, "nodelock_" + _name)
    _function.restype, _function.argtypes = c_uint32, (*_arguments, _Out)
for _name, (_result, *_arguments) in _LOOKS.items():
    _function = getattr(_library, "nodelock_" + _name)
    _function.restype, _function.argtypes = _result, _arguments


def _taken_bytes(name, *arguments):
    """What a function gives out as bytes."""
    given = c_void_p(nodelock._get(name, *arguments))
    size = c_size_t()
    data = _library.nodelock_bytes_data(given, byref(size))
    content = ctypes.string_at(data, size.value)
    _library.nodelock_bytes_free(given)
    return content


class Authority:
    """A vendor in memory that answers the online calls of any number of clients, by the rules that an authority has. It
    refuses what an authority refuses. Its clock, which its clients share, stands still until it is moved."""

    def __init__(self, product):
        self._as_parameter_ = c_void_p(nodelock._get("test_authority_new", nodelock._bytes(product)))

    def __del__(self):
        if hasattr(self, "_as_parameter_"):
            _library.nodelock_test_authority_free(self)

    def sell(self, **terms):
        """Sells a license and returns its key. `terms` are those that differ from the defaults: one seat, from now on,
        without an end, a lease of 90 days. Times are seconds since 1970:

            authority.sell(licensee="Jane Doe", edition="pro", seats=2)
            authority.sell(expires=authority.now + 30 * 86400)  # also `starts`, `updates_until`
            authority.sell(features=[{"name": "export"}, {"name": "projects", "limit": 10}])
            authority.sell(trial_days=14)
            authority.sell(deactivations=3, lease_days=30, metadata=[["plan", "yearly"]])

        Of a license with `seats=0` nobody can take a seat. All terms: docs/FORMAT.md, Terms."""
        return _taken_bytes("test_authority_sell", self, json.dumps(terms).encode()).decode()

    def change_terms(self, license_key, **terms):
        """What devices hold says so after their next renewal."""
        nodelock._do("test_authority_change_terms", self, nodelock._bytes(license_key), json.dumps(terms).encode())

    def new_deployment_key(self, license_key, most):
        """Makes a deployment key that so many machines may take a seat of a license with, for Client's
        `deployment_key`."""
        return _taken_bytes("test_authority_new_deployment_key", self, nodelock._bytes(license_key), most).decode()

    def revoke_deployment_key(self, key):
        """The next request with it is refused. The seats that were taken with it stay."""
        nodelock._do("test_authority_revoke_deployment_key", self, nodelock._bytes(key))

    def taken(self, license_key):
        """How many seats of a license are taken."""
        return _library.nodelock_test_authority_taken(self, nodelock._bytes(license_key))

    def release(self, seat, notice):
        """Releases the seat of a computer that is lost, which hears of it when it next checks in."""
        nodelock._do("test_authority_release", self, nodelock._bytes(seat), nodelock._bytes(notice))

    @property
    def now(self):
        """What the clock shows, in seconds since 1970. It may be set, to an earlier time too."""
        return _library.nodelock_test_authority_now(self)

    @now.setter
    def now(self, seconds):
        if seconds < 0:
            raise ValueError(f"{seconds} seconds is before 1970")
        nodelock._do("test_authority_set_time", self, int(seconds))

    def advance(self, days=0, seconds=0):
        """Lets time pass for the authority and its clients. To set their clock back, set `now`."""
        passed = int(days * 86400 + seconds)
        if passed < 0:
            raise ValueError(f"{passed} seconds do not pass: set `now` to an earlier time")
        nodelock._do("test_authority_advance", self, passed)

    def fail(self, fault):
        """Lets every exchange meet a fault from now on, such as DOWN. NONE ends that."""
        nodelock._do("test_authority_fail", self, fault)

    def fail_next(self, fault):
        """Lets the next exchange meet a fault, or with NONE no fault."""
        nodelock._do("test_authority_fail_next", self, fault)

    def answer(self, data):
        """Answers a file that is carried by hand, as bytes or text: a request, a check-in, a proof. The answer is for
        Client.accept."""
        data = nodelock._content(data)
        return _taken_bytes("test_authority_answer", self, data, len(data))

    def redeem_code(self, typed):
        """Redeems a deactivation code as somebody typed it. The receipt is for Client.accept."""
        return _taken_bytes("test_authority_redeem_code", self, nodelock._bytes(typed))

    def computer(self, name, kind=SAME):
        """A computer, for the parameter `test` of Client: the same name is the same computer. Without the client's own
        `store` the license is kept in memory. A client looks at its computer once, so a changed one is a new client
        over the same store."""
        return _Computer(self, name, kind)


class _Computer:
    def __init__(self, authority, name, kind):
        self._authority, self._name, self._kind = authority, name, kind

    def set_up(self, config, has_store):
        nodelock._do("config_set_test_authority", config, self._authority)
        nodelock._do("config_set_test_machine", config, nodelock._bytes(self._name), self._kind)
        if not has_store:
            nodelock._do("config_set_store_in_memory", config)
