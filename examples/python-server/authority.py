"""The authority's section of include/nodelock.h for Python, by ctypes: rules without a state, over records that the server keeps.

The library must have been built with feature `authority`; NODELOCK_LIBRARY names it unless it is installed. What fails raises
`Refused`, with the status of include/nodelock.h.
"""

import ctypes
import ctypes.util
import os
import weakref
from ctypes import POINTER, byref, c_char_p, c_size_t, c_uint32, c_uint64, c_void_p
from typing import NamedTuple

ABI_VERSION = 1

UNKNOWN_LICENSE, CANCELLED, UNKNOWN_SEAT, WRONG_CODE, TOO_MANY_ATTEMPTS = 70, 73, 74, 75, 77
BAD_SIGNATURE, WRONG_REQUEST = 107, 112
DECISION_RETURNED, DECISION_WRONG_CODE = 3, 7

_Out = POINTER(c_void_p)
_RECORDS = (c_void_p, c_char_p, c_uint32, c_uint32, c_char_p, c_uint64, _Out)

# What can fail, without the error that comes last.
_FALLIBLE = {
    "terms_check": (c_char_p,),
    "key_generate": (_Out,),
    "key_read": (c_char_p, c_size_t, _Out),
    "certificate_issue": (c_void_p, c_char_p, c_char_p, c_uint64, c_uint64, c_uint64, _Out),
    "license_key_generate": (_Out,),
    "license_id_generate": (_Out,),
    "issuer_new": (c_void_p, c_char_p, c_size_t, c_char_p, _Out),
    "activation_read": (c_char_p, c_size_t, _Out),
    "activation_grant": (
        c_void_p, c_void_p, c_char_p, c_uint32, c_uint32, c_char_p, c_char_p, POINTER(c_char_p), c_size_t, c_uint64, _Out,
    ),
    "activation_cancel_by_code": (c_void_p, c_void_p, c_size_t, c_void_p, c_char_p, c_uint64, _Out),
    "release_read": (c_char_p, c_size_t, _Out),
    "release_redeem": (c_void_p, *_RECORDS),
    "release_cancel": (c_void_p, c_void_p, c_void_p, c_char_p, c_uint64, _Out),
    "deactivation_code_read": (c_char_p, _Out),
    "readings_redeem": (c_void_p, c_size_t, *_RECORDS),
}
_LOOKS = {
    "abi_version": (c_uint32,),
    "has_feature": (ctypes.c_bool, c_char_p),
    "status_name": (c_char_p, c_uint32),
    "error_status": (c_uint32, c_void_p),
    "error_message": (c_char_p, c_void_p),
    "bytes_text": (c_char_p, c_void_p),
    "key_data": (c_void_p, c_void_p, POINTER(c_size_t)),
    "key_public": (c_char_p, c_void_p),
    "activation_seat": (c_char_p, c_void_p),
    "activation_device_key": (c_char_p, c_void_p),
    "activation_license_key": (c_char_p, c_void_p),
    "activation_is_recovery": (ctypes.c_bool, c_void_p),
    "activation_release_count": (c_size_t, c_void_p),
    "activation_release": (c_void_p, c_void_p, c_size_t),
    "release_seat": (c_char_p, c_void_p),
    "release_has_request": (ctypes.c_bool, c_void_p),
    "release_data": (c_void_p, c_void_p, POINTER(c_size_t)),
    "readings_count": (c_size_t, c_void_p),
    "readings_code": (c_char_p, c_void_p, c_size_t),
    "readings_seat": (c_char_p, c_void_p, c_size_t),
    "decision_outcome": (c_uint32, c_void_p),
    "decision_seat_count": (c_size_t, c_void_p),
    "decision_seat": (c_char_p, c_void_p, c_size_t),
    "decision_text": (c_char_p, c_void_p),
}
_OBJECTS = "error bytes key issuer activation release readings decision".split()


def _load():
    library = ctypes.CDLL(os.environ.get("NODELOCK_LIBRARY") or ctypes.util.find_library("nodelock") or "libnodelock.so")
    library.nodelock_has_feature.restype, library.nodelock_has_feature.argtypes = ctypes.c_bool, (c_char_p,)
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
    """`status` is a number of include/nodelock.h, `kind` its name. `receipts` are for what was freed all the same."""

    def __init__(self, status, message=""):
        self.status, self.receipts = status, []
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
    """Something of the library's. It belongs to this object, or is lent by `owner`, which it keeps alive."""

    def __init__(self, pointer, owner=None):
        self._as_parameter_ = c_void_p(pointer)
        self._owner = owner
        if owner is None:
            free = getattr(_library, f"nodelock_{type(self).__name__.lower()}_free")
            # At exit, threads may still be inside the library; what is left then goes with the process.
            weakref.finalize(self, free, c_void_p(pointer)).atexit = False

    def _text(self, what, *arguments):
        text = getattr(_library, f"nodelock_{type(self).__name__.lower()}_{what}")(self, *arguments)
        return None if text is None else text.decode()

    def _data(self):
        size = c_size_t()
        data = getattr(_library, f"nodelock_{type(self).__name__.lower()}_data")(self, byref(size))
        return ctypes.string_at(data, size.value)


class Key(_Object):
    """A private key. `data` is the secret."""

    def __init__(self, data=None):
        super().__init__(_get("key_generate") if data is None else _get("key_read", data, len(data)))

    data = property(_Object._data)
    public = property(lambda self: self._text("public"))


def certificate(root, issuer, name, serial, not_before, not_after):
    return _made_text("certificate_issue", root, _encoded(issuer), _encoded(name), serial, not_before, not_after)


def new_license_key():
    return _made_text("license_key_generate")


def new_license_id():
    return _made_text("license_id_generate")


def check_terms(terms):
    _do("terms_check", _encoded(terms))


class Issuer(_Object):
    def __init__(self, key, certificate, root):
        certificate = certificate.encode()
        super().__init__(_get("issuer_new", key, certificate, len(certificate), _encoded(root)))


class Records:
    """What the database knows of a license: its terms and seats as JSON, None if it has none, and how many seats are taken and
    counted."""

    def __init__(self, terms, taken, deactivated):
        self.terms, self.taken, self.deactivated = _encoded(terms), taken, deactivated

    def list(self):
        return self.terms, self.taken, self.deactivated


class Decision(_Object):
    outcome = property(lambda self: _library.nodelock_decision_outcome(self))
    text = property(lambda self: self._text("text"))

    @property
    def seats(self):
        return [self._text("seat", index) for index in range(_library.nodelock_decision_seat_count(self))]


class Release(_Object):
    """A proof of a seat given up."""

    @classmethod
    def read(cls, data):
        return cls(_get("release_read", data, len(data)))

    seat = property(lambda self: self._text("seat"))
    data = property(_Object._data)
    has_request = property(lambda self: _library.nodelock_release_has_request(self))

    def redeem(self, issuer, records, seat, now):
        return Decision(_get("release_redeem", self, issuer, *records.list(), _encoded(seat), now))

    def cancel(self, activation, issuer, license, now):
        return Decision(_get("release_cancel", self, activation, issuer, _encoded(license), now))


class Activation(_Object):
    """A request for a seat, with the seats given up that came along."""

    def __init__(self, data):
        super().__init__(_get("activation_read", data, len(data)))

    seat = property(lambda self: self._text("seat"))
    device_key = property(lambda self: self._text("device_key"))
    license_key = property(lambda self: self._text("license_key"))
    is_recovery = property(lambda self: _library.nodelock_activation_is_recovery(self))

    @property
    def releases(self):
        count = _library.nodelock_activation_release_count(self)
        return [Release(_library.nodelock_activation_release(self, index), owner=self) for index in range(count)]

    def grant(self, issuer, records, known, held, lost, now):
        lost = (c_char_p * len(lost))(*map(_encoded, lost))
        seats = _encoded(known), _encoded(held), lost, len(lost)
        return Decision(_get("activation_grant", self, issuer, *records.list(), *seats, now))

    def cancel_by_code(self, readings, index, issuer, license, now):
        return Decision(_get("activation_cancel_by_code", self, readings, index, issuer, _encoded(license), now))


class Reading(NamedTuple):
    """One of the codes that may have been meant: its place, the code as it should have been typed, its seat."""

    index: int
    code: str
    seat: str


class Readings(_Object):
    """What somebody may have meant with a deactivation code, typing errors mended."""

    def __init__(self, typed):
        super().__init__(_get("deactivation_code_read", _encoded(typed)))

    def __iter__(self):
        for index in range(_library.nodelock_readings_count(self)):
            yield Reading(index, self._text("code", index), self._text("seat", index))

    def redeem(self, index, issuer, records, seat, now):
        return Decision(_get("readings_redeem", self, index, issuer, *records.list(), _encoded(seat), now))
