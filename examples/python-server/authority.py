"""The authority's section of include/nodelock.h for Python, by ctypes: decisions over records that the server keeps.

The library must have been built with feature `authority`; NODELOCK_LIBRARY names it unless it is installed. What fails
raises `Refused`, with the status of include/nodelock.h.
"""

import ctypes
import ctypes.util
import json
import os
import weakref
from ctypes import POINTER, byref, c_bool, c_char_p, c_size_t, c_uint32, c_uint64, c_void_p
from typing import NamedTuple

ABI_VERSION = 1

# NODELOCK_QUERY_*, what a decision asks for.
(
    LICENSE_OF_KEY, LICENSE, SEATS_OF_HANDLE, TAKEN_SEATS_OF, EVIDENCE_OF, CHECK_IN, ATTEMPTS, COUNT,
    SEATS_BY_END, SEATS_WITH_TAG, SEAT_OF_MACHINE, HISTORY, PAGE, TRIALS_WITH_TAG, APPROVALS_OF,
) = range(1, 16)
# NODELOCK_CHANGE_*, what a decision stores.
(
    INSERT_SEAT, UPDATE_SEAT, KEEP_EVIDENCE, FORGET_EVIDENCE, STORE_CHECK_IN, STORE_ATTEMPTS, STORE_COUNT,
    STORE_HISTORY, STORE_PAGE, STORE_LICENSE, STORE_ALLOWANCES, STORE_DESCRIPTION,
    STORE_APPROVAL, FORGET_APPROVALS,
) = range(1, 15)
# NODELOCK_DECISION_*, what a message comes to.
RETURNED, HELD, NEEDS, KEPT = 3, 4, 7, 9
# Statuses.
UNKNOWN_LICENSE, UNKNOWN_SEAT, CERTIFICATE_EXPIRED = 70, 74, 108

_Out = POINTER(c_void_p)
_DECIDE = (c_void_p, c_uint64, _Out)

# What can fail, without the error that comes last.
_FALLIBLE = {
    "terms_check": (c_char_p,),
    "key_generate": (_Out,),
    "key_read": (c_char_p, c_size_t, _Out),
    "certificate_issue": (c_void_p, c_char_p, _Out),
    "license_key_generate": (_Out,),
    "license_key_hash": (c_char_p, _Out),
    "license_id_generate": (_Out,),
    "issuer_new": (c_void_p, c_char_p, c_size_t, c_char_p, _Out),
    "issuer_check": (c_void_p, c_uint64),
    "activation_read": (c_char_p, c_size_t, _Out),
    "activation_release": (c_void_p, c_size_t, _Out),
    "release_read": (c_char_p, c_size_t, _Out),
    "page_generate": (_Out,),
    "records_new": (c_void_p, c_char_p, _Out),
    "records_answer": (c_void_p, c_uint32, c_char_p, POINTER(c_char_p), c_size_t),
    "records_verify": (c_void_p, c_void_p),
    "records_keep_facts": (c_void_p,),
    "decide_activation": (c_void_p, c_char_p, *_DECIDE),
    "decide_release": (c_void_p, *_DECIDE),
    "decide_code": (c_char_p, *_DECIDE),
    "decide_note": (c_char_p, *_DECIDE),
    "decision_reply": (c_void_p, c_void_p, c_uint64, _Out),
}
_LOOKS = {
    "abi_version": (c_uint32,),
    "has_feature": (c_bool, c_char_p),
    "status_name": (c_char_p, c_uint32),
    "error_status": (c_uint32, c_void_p),
    "error_message": (c_char_p, c_void_p),
    "activation_license_key": (c_char_p, c_void_p),
    "activation_release_count": (c_size_t, c_void_p),
    "bytes_text": (c_char_p, c_void_p),
    "key_data": (c_void_p, c_void_p, POINTER(c_size_t)),
    "key_public": (c_char_p, c_void_p),
    "decision_outcome": (c_uint32, c_void_p),
    "decision_refusal": (c_uint32, c_void_p),
    "decision_refusal_text": (c_char_p, c_void_p),
    "decision_seats": (c_char_p, c_void_p),
    "decision_query_count": (c_size_t, c_void_p),
    "decision_query_kind": (c_uint32, c_void_p, c_size_t),
    "decision_query_value": (c_char_p, c_void_p, c_size_t),
    "decision_has_verifications": (c_bool, c_void_p),
    "decision_has_slow_verifications": (c_bool, c_void_p),
    "decision_change_count": (c_size_t, c_void_p),
    "decision_change_kind": (c_uint32, c_void_p, c_size_t),
    "decision_change_name": (c_char_p, c_void_p, c_size_t),
    "decision_change_record": (c_char_p, c_void_p, c_size_t),
    "decision_change_license": (c_char_p, c_void_p, c_size_t),
    "decision_change_is_taken": (c_bool, c_void_p, c_size_t),
    "decision_change_is_lapsed": (c_bool, c_void_p, c_size_t),
    "decision_change_ends": (c_uint64, c_void_p, c_size_t),
    "decision_change_machine": (c_char_p, c_void_p, c_size_t),
    "decision_change_tag_count": (c_size_t, c_void_p, c_size_t),
    "decision_change_tag": (c_char_p, c_void_p, c_size_t, c_size_t),
    "decision_change_is_counted": (c_bool, c_void_p, c_size_t),
    "decision_change_is_activation": (c_bool, c_void_p, c_size_t),
    "reply_text": (c_char_p, c_void_p),
    "outdated": (c_bool, c_uint64, POINTER(c_uint64), POINTER(c_uint64)),
}
_OBJECTS = "error bytes key issuer activation release records decision reply".split()


def _load():
    library = ctypes.CDLL(os.environ.get("NODELOCK_LIBRARY") or ctypes.util.find_library("nodelock") or "libnodelock.so")
    library.nodelock_has_feature.restype, library.nodelock_has_feature.argtypes = c_bool, (c_char_p,)
    if library.nodelock_abi_version() != ABI_VERSION or not library.nodelock_has_feature(b"authority"):
        raise ImportError("this library of nodelock is of another version or without its authority")
    for name, arguments in _FALLIBLE.items():
        function = getattr(library, "nodelock_" + name)
        function.restype, function.argtypes = c_uint32, (*arguments, _Out)
    for name, (result, *arguments) in _LOOKS.items():
        function = getattr(library, "nodelock_" + name)
        function.restype, function.argtypes = result, arguments
    for name in _OBJECTS:
        function = getattr(library, f"nodelock_{name}_free")
        function.restype, function.argtypes = None, (c_void_p,)
    return library


_library = _load()


class Refused(Exception):
    """`status` is a number of include/nodelock.h, `kind` its name."""

    def __init__(self, status, message=""):
        self.status = status
        self.kind = _library.nodelock_status_name(status).decode()
        super().__init__(message or self.kind)


def _do(name, *arguments):
    error = c_void_p()
    status = getattr(_library, "nodelock_" + name)(*arguments, byref(error))
    if status != 0:
        message = _library.nodelock_error_message(error).decode()
        _library.nodelock_error_free(error)
        raise Refused(status, message)


def _get(name, *arguments):
    result = c_void_p()
    _do(name, *arguments, byref(result))
    return result.value


def _made_text(name, *arguments):
    """Text that the library hands over."""
    pointer = _get(name, *arguments)
    text = _library.nodelock_bytes_text(pointer).decode()
    _library.nodelock_bytes_free(pointer)
    return text


def _encoded(text):
    if text is not None and "\0" in text:
        raise ValueError("a NUL in a text")
    return None if text is None else text.encode()


class _Object:
    """An object of the library, which is freed with this one."""

    def __init__(self, pointer):
        self._as_parameter_ = c_void_p(pointer)
        free = getattr(_library, f"nodelock_{type(self).__name__.lower()}_free")
        # At exit, threads may still be inside the library; what is left then goes with the process.
        weakref.finalize(self, free, c_void_p(pointer)).atexit = False


def _text(function, *arguments):
    text = getattr(_library, "nodelock_" + function)(*arguments)
    return None if text is None else text.decode()


class Key(_Object):
    """A private key. `data` is the secret."""

    def __init__(self, data=None):
        super().__init__(_get("key_generate") if data is None else _get("key_read", data, len(data)))

    @property
    def data(self):
        size = c_size_t()
        data = _library.nodelock_key_data(self, byref(size))
        return ctypes.string_at(data, size.value)

    public = property(lambda self: _text("key_public", self))


def certificate(root, terms):
    return _made_text("certificate_issue", root, json.dumps(terms).encode())


def new_license_key():
    return _made_text("license_key_generate")


def license_key_hash(license_key):
    """What the library looks a license up by, so that no license key needs to be kept."""
    return _made_text("license_key_hash", _encoded(license_key))


def new_license_id():
    return _made_text("license_id_generate")


def new_page():
    """What is signed in one minute of service is signed under one page."""
    return _made_text("page_generate")


def outdated(now):
    """The dates of requests whose cancelled seats may be forgotten: from the first on, and before the second."""
    first, end = c_uint64(), c_uint64()
    _library.nodelock_outdated(now, byref(first), byref(end))
    return first.value, end.value


def check_terms(terms):
    _do("terms_check", _encoded(terms))


class Issuer(_Object):
    def __init__(self, key, certificate, root):
        certificate = certificate.encode()
        super().__init__(_get("issuer_new", key, certificate, len(certificate), _encoded(root)))

    def check(self, now):
        """Fails while it must not sign, because its certificate has ended or is not valid yet."""
        _do("issuer_check", self, now)


class Records(_Object):
    """What a decision is made from: the records of this moment, and the verifications that were done. What is decided
    is signed under the page."""

    def __init__(self, issuer, page):
        super().__init__(_get("records_new", issuer, _encoded(page)))

    def answer(self, query, found):
        """Adds the records that a query found, as they were stored."""
        found = (c_char_p * len(found))(*map(_encoded, found))
        _do("records_answer", self, query.kind, _encoded(query.value), found, len(found))

    def verify(self, decision):
        """Does the verifications of a decision, which take their time."""
        _do("records_verify", self, decision)

    def keep_facts(self):
        """Forgets everything but what the verifications came to, for another moment."""
        _do("records_keep_facts", self)


class Query(NamedTuple):
    """What a decision asks for: one of the kinds above, and of what."""

    kind: int
    value: str


class Change(NamedTuple):
    """What a decision stores: one of the kinds above, its name, and for a seat the columns to find and count it by."""

    kind: int
    name: str
    record: str
    license: str | None
    is_taken: bool
    is_lapsed: bool
    ends: int
    machine: str | None
    tags: str
    is_counted: bool
    is_activation: bool


class Decision(_Object):
    outcome = property(lambda self: _library.nodelock_decision_outcome(self))

    @property
    def refusal(self):
        """Refused, which says why a request is refused. Otherwise None."""
        status = _library.nodelock_decision_refusal(self)
        return Refused(status, _text("decision_refusal_text", self)) if status else None

    has_verifications = property(lambda self: _library.nodelock_decision_has_verifications(self))
    has_slow_verifications = property(lambda self: _library.nodelock_decision_has_slow_verifications(self))

    @property
    def seats(self):
        """Where no seat is free: when the `next_lapse` is, and the `seats` that the terms have it tell of. Otherwise
        None."""
        seats = _text("decision_seats", self)
        return seats and json.loads(seats)

    @property
    def queries(self):
        for index in range(_library.nodelock_decision_query_count(self)):
            yield Query(_library.nodelock_decision_query_kind(self, index), _text("decision_query_value", self, index))

    @property
    def changes(self):
        for index in range(_library.nodelock_decision_change_count(self)):
            yield Change(
                _library.nodelock_decision_change_kind(self, index),
                _text("decision_change_name", self, index),
                _text("decision_change_record", self, index),
                _text("decision_change_license", self, index),
                _library.nodelock_decision_change_is_taken(self, index),
                _library.nodelock_decision_change_is_lapsed(self, index),
                _library.nodelock_decision_change_ends(self, index),
                _text("decision_change_machine", self, index),
                " ".join(
                    _text("decision_change_tag", self, index, tag)
                    for tag in range(_library.nodelock_decision_change_tag_count(self, index))
                ),
                _library.nodelock_decision_change_is_counted(self, index),
                _library.nodelock_decision_change_is_activation(self, index),
            )

    def signed(self, issuer, now):
        """The messages for the device as a text file; empty without any."""
        return _text("reply_text", Reply(_get("decision_reply", self, issuer, now))) or ""


class Reply(_Object):
    pass


class Release(_Object):
    """A proof of a seat given up."""

    @classmethod
    def read(cls, data):
        return cls(_get("release_read", data, len(data)))

    def decide(self, records, now):
        return Decision(_get("decide_release", self, records, now))


class Activation(_Object):
    """A request for a seat, with the seats given up that came along."""

    @classmethod
    def read(cls, data):
        return cls(_get("activation_read", data, len(data)))

    def decide(self, records, now):
        return Decision(_get("decide_activation", self, None, records, now))

    license_key = property(lambda self: _text("activation_license_key", self))

    @property
    def key_hash(self):
        """What its license is looked up by, however the key is written; empty without a key that can be read."""
        key = _library.nodelock_activation_license_key(self).decode()
        try:
            return license_key_hash(key) if key else ""
        except Refused:
            return ""

    @property
    def releases(self):
        """What came along, one by one, for when the license cannot be signed."""
        for index in range(_library.nodelock_activation_release_count(self)):
            yield Release(_get("activation_release", self, index))


class Code(str):
    """A code that somebody was read over the phone, as they typed it."""

    def decide(self, records, now):
        return Decision(_get("decide_code", _encoded(self), records, now))


class Note(dict):
    """That the database is in service, under the page of the records; nodelock_decide_note() says what its items
    mean."""

    def decide(self, records, now):
        return Decision(_get("decide_note", json.dumps(self).encode(), records, now))
