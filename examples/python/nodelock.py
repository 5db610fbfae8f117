"""nodelock for Python: the C interface by ctypes, with nothing but the standard library.

    client = Client("Example Editor", roots=["...43 characters..."], authority="https://licenses.example.com")
    license = client.start(3)       # at each start: checks, and renews when that is due
    if license.usable: ...

What can fail raises `Error`, with a `Status`; what a check found is a `Verdict`. What the library gave out is freed
when Python has no more use for it. Calls that go online block, let other threads of Python run meanwhile, and can be
cancelled from there: see `Call`. docs/guides/python.md says what is left out, and how to add it.
"""

import contextlib
import ctypes
import ctypes.util
import os
import sys
import weakref
from collections import namedtuple
from enum import IntEnum
from ctypes import POINTER, byref, c_bool, c_char_p, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

ABI_VERSION = 1
UNLIMITED = 2**64 - 1

class Verdict(IntEnum):
    """What a check found. docs/guides/verdicts.md says what to tell the user of each."""

    ACTIVE = 20
    GRACE = 21
    NOT_YET_VALID = 22
    EXPIRED = 23
    LEASE_ENDED = 24
    CLOCK_SET_BACK = 25
    WRONG_MACHINE = 26
    DEACTIVATED = 27
    REVOKED = 28
    VERSION_NOT_COVERED = 29
    DAMAGED = 30
    UNLICENSED = 31


class Status(IntEnum):
    """Why a call failed. include/nodelock.h says more of each."""

    INVALID_INPUT = 1
    UNSUPPORTED = 2
    UNREADABLE_CODE = 3
    ALREADY_ACTIVE = 4
    NOT_PENDING = 5
    NOT_ACTIVE = 6
    DEACTIVATION_NOT_ALLOWED = 7
    TOO_MANY_OUTSTANDING = 8
    BUSY = 40
    CORRUPT = 41
    NO_SPACE = 42
    READ_ONLY = 43
    ACCESS_DENIED = 44
    IO = 45
    NO_RANDOM = 46
    NO_LOCKS = 47
    UNREACHABLE = 60
    TIMED_OUT = 61
    CANCELLED = 62
    TLS_UNTRUSTED = 63
    TLS_WRONG_HOST = 64
    TLS_EXPIRED = 65
    BAD_REPLY = 66
    SERVER_BUSY = 67
    SERVER_FAILED = 68
    LICENSE_WANTED = 69
    UNKNOWN_LICENSE = 70
    NO_FREE_SEAT = 71
    LICENSE_ENDED = 72
    REQUEST_CANCELLED = 73
    UNKNOWN_SEAT = 74
    WRONG_CODE = 75
    REVOKED = 76
    TOO_MANY_ATTEMPTS = 77
    NOT_HELD = 78
    CROWDED_HANDLE = 79
    NO_ACTIVATION_LEFT = 80
    TRIAL_USED = 81
    APPROVAL_WANTED = 82
    REQUEST_REFUSED = 83
    DEPLOYMENT_KEY_REFUSED = 84
    DEPLOYMENT_KEY_USED_UP = 85
    INTERNAL = 90
    MALFORMED = 100
    TOO_LARGE = 101
    WRONG_TYPE = 102
    UNSUPPORTED_VERSION = 103
    CRITICAL_EXTENSION = 104
    WRONG_PRODUCT = 105
    UNTRUSTED_SIGNER = 106
    BAD_SIGNATURE = 107
    CERTIFICATE_EXPIRED = 108
    WEAK_KEY = 109
    WRONG_MACHINE = 111
    WRONG_REQUEST = 112
    GIVEN_UP = 113
    OUTDATED = 114
    LEASE_TOO_LONG = 115
    SEVERAL_MESSAGES = 116


class Machine(IntEnum):
    """Why the machine is the wrong one, or is in its days of grace: see License.machine_reason."""

    FITS = 0
    DEVICE_KEY = 1
    FINGERPRINT = 2
    GRACE_OVER = 3
    HIDDEN = 4


OTHER, MOVED, RETIRED, REINSTALLED = range(4)
REPLACE_LICENSE, REPLACE_REQUEST = 1, 2
SENDING, WAITING, DONE, NO_TOMBSTONE = 1, 2, 3, 4
RETURNED, HELD = 1, 2


# A seat that the authority told of when none was free. Times are seconds since 1970; `lapses` is 0 for never.
Seat = namedtuple("Seat", "handle label last_contact lapses replaceable")

_Log = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_char_p, c_uint32, c_uint32, c_char_p)
_Progress = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_uint32, c_uint64)

_Out = POINTER(c_void_p)
_Lent = c_void_p

# Each function with what it returns and takes. Those that return a status take the place for an error last, which is
# not listed.
_STATUS = {
    "config_new": (c_char_p, _Out),
    "config_add_root": (c_void_p, c_char_p),
    "config_deny_key": (c_void_p, c_char_p),
    "config_set_authority": (c_void_p, c_char_p),
    "config_set_plain_http": (c_void_p, c_bool),
    "config_set_patience": (c_void_p, c_uint64, c_uint32),
    "config_set_proxy": (c_void_p, c_char_p),
    "config_set_no_proxy": (c_void_p,),
    "config_trust_certificates": (c_void_p, c_char_p, c_size_t),
    "config_set_store_directory": (c_void_p, c_char_p, c_char_p),
    "config_set_application_version": (c_void_p, c_char_p),
    "config_set_released": (c_void_p, c_uint64),
    "config_set_salt": (c_void_p, c_char_p),
    "config_set_host_id": (c_void_p, c_char_p, c_uint32),
    "config_set_license_keys": (c_void_p, c_uint32),
    "config_set_log": (c_void_p, c_void_p, _Log, c_void_p),
    "config_set_replace": (c_void_p, c_uint32),
    "config_set_describe_machine": (c_void_p, c_bool),
    "config_set_deployment_key": (c_void_p, c_char_p),
    "client_new": (c_void_p, _Out),
    "client_check": (c_void_p, _Out),
    "client_observe": (c_void_p, POINTER(c_bool)),
    "client_begin": (c_void_p, c_char_p, c_void_p, _Out),
    "client_pending": (c_void_p, _Out),
    "client_accept": (c_void_p, c_char_p, c_size_t, _Out),
    "client_accept_receipt": (c_void_p, c_char_p, c_size_t, _Out),
    "client_cancel": (c_void_p, _Out),
    "client_recover_offline": (c_void_p, _Out),
    "client_deactivate_offline": (c_void_p, c_uint32, _Out),
    "client_check_in_offline": (c_void_p, _Out),
    "client_outstanding": (c_void_p, _Out),
    "client_fingerprint": (c_void_p, _Out),
    "client_start": (c_void_p, c_uint64, c_void_p, _Out, _Out),
    "client_activate": (c_void_p, c_char_p, c_void_p, c_void_p, _Out),
    "client_check_in": (c_void_p, c_void_p, _Out),
    "client_deactivate": (c_void_p, c_uint32, c_void_p, _Out),
    "client_hand_in": (c_void_p, c_void_p, _Out),
    "client_recover": (c_void_p, c_void_p, _Out),
    "details_new": (_Out,),
    "details_add": (c_void_p, c_char_p, c_char_p),
    "details_replace": (c_void_p, c_char_p),
    "call_new": (_Out,),
    "call_set_timeout": (c_void_p, c_uint64),
    "call_set_progress": (c_void_p, c_void_p, _Progress, c_void_p),
    "proof_qr": (c_void_p, c_char_p, _Out),
}
_LOOKS = {
    "version": (c_char_p,),
    "abi_version": (c_uint32,),
    "error_status": (c_uint32, c_void_p),
    "error_kind": (c_char_p, c_void_p),
    "error_message": (c_char_p, c_void_p),
    "error_advice": (c_char_p, c_void_p),
    "error_proof": (_Lent, c_void_p),
    "error_next_lapse": (c_uint64, c_void_p),
    "error_trial_ended": (c_uint64, c_void_p),
    "error_seat_count": (c_size_t, c_void_p),
    "error_seat_handle": (c_char_p, c_void_p, c_size_t),
    "error_seat_label": (c_char_p, c_void_p, c_size_t),
    "error_seat_last_contact": (c_uint64, c_void_p, c_size_t),
    "error_seat_lapses": (c_uint64, c_void_p, c_size_t),
    "error_seat_is_replaceable": (c_bool, c_void_p, c_size_t),
    "license_verdict": (c_uint32, c_void_p),
    "license_verdict_text": (c_char_p, c_void_p),
    "license_verdict_time": (c_bool, c_void_p, POINTER(c_uint64)),
    "license_set_back": (c_uint64, c_void_p),
    "license_clock_error": (c_int64, c_void_p),
    "license_machine_reason": (c_uint32, c_void_p),
    "license_damage": (c_uint32, c_void_p),
    "license_revocation_reason": (c_char_p, c_void_p),
    "license_time": (c_uint64, c_void_p),
    "license_is_usable": (c_bool, c_void_p),
    "license_is_present": (c_bool, c_void_p),
    "license_product": (c_char_p, c_void_p),
    "license_licensee": (c_char_p, c_void_p),
    "license_edition": (c_char_p, c_void_p),
    "license_id": (c_char_p, c_void_p),
    "license_seat": (c_char_p, c_void_p),
    "license_issued": (c_bool, c_void_p, POINTER(c_uint64)),
    "license_starts": (c_bool, c_void_p, POINTER(c_uint64)),
    "license_expires": (c_bool, c_void_p, POINTER(c_uint64)),
    "license_lease_until": (c_bool, c_void_p, POINTER(c_uint64)),
    "license_renew_after": (c_bool, c_void_p, POINTER(c_uint64)),
    "license_updates_until": (c_bool, c_void_p, POINTER(c_uint64)),
    "license_metadata_count": (c_size_t, c_void_p),
    "license_metadata_name": (c_char_p, c_void_p, c_size_t),
    "license_metadata_value": (c_char_p, c_void_p, c_size_t),
    "license_feature_count": (c_size_t, c_void_p),
    "license_feature_name": (c_char_p, c_void_p, c_size_t),
    "license_feature_expires": (c_bool, c_void_p, c_size_t, POINTER(c_uint64)),
    "license_pending_seat": (c_char_p, c_void_p),
    "license_deactivations_left": (c_bool, c_void_p, POINTER(c_uint32)),
    "license_has_feature": (c_bool, c_void_p, c_char_p),
    "license_feature_limit": (c_bool, c_void_p, c_char_p, POINTER(c_uint64)),
    "license_outstanding": (c_size_t, c_void_p),
    "license_should_observe": (c_bool, c_void_p),
    "license_renewal_due": (c_bool, c_void_p),
    "license_is_renewed": (c_bool, c_void_p),
    "request_seat": (c_char_p, c_void_p),
    "request_text": (c_char_p, c_void_p),
    "proof_seat": (c_char_p, c_void_p),
    "proof_code": (c_char_p, c_void_p),
    "proof_text": (c_char_p, c_void_p),
    "proofs_count": (c_size_t, c_void_p),
    "proofs_get": (_Lent, c_void_p, c_size_t),
    "qr_terminal": (c_char_p, c_void_p),
    "qr_svg": (c_char_p, c_void_p),
    "receipt_seat": (c_char_p, c_void_p),
    "receipt_outcome": (c_uint32, c_void_p),
    "receipts_count": (c_size_t, c_void_p),
    "receipts_get": (_Lent, c_void_p, c_size_t),
    "fingerprint_report": (c_char_p, c_void_p),
    "call_cancel": (None, c_void_p),
}
_OBJECTS = "error config details client license request proof proofs qr receipt receipts fingerprint call".split()


def _find():
    """The library: the file that NODELOCK_LIBRARY names, or the one beside this module, or the installed one."""
    if named := os.environ.get("NODELOCK_LIBRARY"):
        return named
    name = {"win32": "nodelock.dll", "darwin": "libnodelock.dylib"}.get(sys.platform, "libnodelock.so")
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    return beside if os.path.exists(beside) else ctypes.util.find_library("nodelock") or name


def _load():
    file = _find()
    try:
        library = ctypes.CDLL(file)
    except OSError as error:
        raise ImportError(
            f"the library of nodelock cannot be loaded: {error}. Set NODELOCK_LIBRARY to its file, or put it beside "
            "nodelock.py"
        ) from error
    try:
        library.nodelock_version.restype = c_char_p
        # What is declared below is that of one version, so nothing of another one is looked for.
        if (abi := library.nodelock_abi_version()) != ABI_VERSION:
            version = library.nodelock_version().decode()
            raise ImportError(f"{file} is nodelock {version} with ABI {abi}, and this module is for ABI {ABI_VERSION}")
        for name, arguments in _STATUS.items():
            function = getattr(library, "nodelock_" + name)
            function.restype, function.argtypes = c_uint32, (*arguments, _Out)
        for name, (result, *arguments) in _LOOKS.items():
            function = getattr(library, "nodelock_" + name)
            function.restype, function.argtypes = result, arguments
        for name in _OBJECTS:
            function = getattr(library, f"nodelock_{name}_free")
            function.restype, function.argtypes = None, (c_void_p,)
    except AttributeError as error:
        raise ImportError(f"{file} is no library of nodelock, or an earlier one than this module: {error}") from error
    return library


_library = _load()


def _do(name, *arguments):
    """Makes a call that can fail."""
    error = c_void_p()
    if getattr(_library, "nodelock_" + name)(*arguments, byref(error)) != 0:
        raise Error(error.value)


def _get(name, *arguments):
    """Makes a call that can fail and gives something out. None for NULL."""
    result = c_void_p()
    _do(name, *arguments, byref(result))
    return result.value


def _get_with(name, more, *arguments):
    """The same of a call that gives out something else as well, in `more`."""
    result = c_void_p()
    _do(name, *arguments, byref(result), byref(more))
    return result.value


def _text(name, *arguments):
    text = getattr(_library, "nodelock_" + name)(*arguments)
    return None if text is None else text.decode()


def _bytes(text):
    """Text as the library takes it, which ends at a NUL. None is NULL."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"a str is expected, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError("a NUL in a text")
    return text.encode()


def _content(data):
    """What is in a file, as bytes or as text."""
    return data.encode() if isinstance(data, str) else bytes(memoryview(data))


def _milliseconds(seconds):
    """C would take a time that is over for a very long one."""
    return max(0, int(seconds * 1000))


def _named(names, number):
    """A number by its name. A later library may know one more."""
    try:
        return names(number)
    except ValueError:
        return number


@contextlib.contextmanager
def _followed(call):
    """Raises what a call's `progress` raised, which has cancelled the call; what that came to is the cause."""
    cause = None
    try:
        yield
    except Error as error:
        if call is None or call._failure is None:
            raise
        cause = error
    if call is not None and call._failure is not None:
        raise call._failure from cause


class _Object:
    """Something of the library's. It belongs to this object, or is lent by `owner`, which it keeps alive."""

    def __init__(self, pointer, owner=None):
        self._as_parameter_ = c_void_p(pointer)
        self._owner = owner
        if owner is None:
            name = type(self).__name__.lstrip("_").lower()
            free = getattr(_library, f"nodelock_{name}_free")
            # At exit, threads may still be inside the library; what is left then goes with the process.
            weakref.finalize(self, free, c_void_p(pointer)).atexit = False


class _Error(_Object):
    pass


class _Config(_Object):
    pass


class _Details(_Object):
    def __init__(self, metadata, replace):
        super().__init__(_get("details_new"))
        for name, value in metadata.items():
            _do("details_add", self, _bytes(name), _bytes(value))
        if replace is not None:
            _do("details_replace", self, _bytes(replace))


class Error(Exception):
    """`status` is a Status, to compare with, and `kind` its name, such as `no-free-seat`. `message` are the words, and
    `advice` is what a person can do about it, or empty.

    `proof` is what a deactivation gave up before it failed, else None: show its code. With Status.NO_FREE_SEAT, `seats`
    are the seats that there are, some of which may be replaced, and `next_lapse` is when the next one lapses; 0 if none
    does. With Status.TRIAL_USED, `trial_ended` is when the trial of this machine ended; 0 if the authority did not say.
    """

    def __init__(self, pointer):
        error = _Error(pointer)
        self.status = _named(Status, _library.nodelock_error_status(error))
        self.kind = _text("error_kind", error)
        self.message = _text("error_message", error)
        self.advice = _text("error_advice", error)
        proof = _library.nodelock_error_proof(error)
        self.proof = Proof(proof, owner=error) if proof else None
        self.next_lapse = _library.nodelock_error_next_lapse(error)
        self.trial_ended = _library.nodelock_error_trial_ended(error)
        self.seats = [
            Seat(
                _text("error_seat_handle", error, index),
                _text("error_seat_label", error, index),
                _library.nodelock_error_seat_last_contact(error, index),
                _library.nodelock_error_seat_lapses(error, index),
                _library.nodelock_error_seat_is_replaceable(error, index),
            )
            for index in range(_library.nodelock_error_seat_count(error))
        ]
        super().__init__(f"{self.kind} ({self.status:d}): {self.message}")


class License(_Object):
    """What a check found. It does not change any more.

    `verdict` is a Verdict, and `verdict_text` says it in words. What goes with it: `verdict_time` is until when GRACE
    lasts, from when on NOT_YET_VALID is valid, since when EXPIRED or LEASE_ENDED hold, and until when a version must
    have been released for VERSION_NOT_COVERED. `set_back` are the seconds of CLOCK_SET_BACK. `machine_reason` is the
    Machine of WRONG_MACHINE; of GRACE, Machine.HIDDEN says that no renewal is needed. `damage` is the Status of
    DAMAGED: CORRUPT (recover), UNSUPPORTED_VERSION (update the application), another one (a store of another vendor or
    product). `revocation_reason` is what the vendor said of REVOKED. Of another verdict these are None or 0.

    `clock_error` says by how many seconds the clock is ahead of the authority's, or if negative behind, where that is
    more than 26 hours. `time` is the time that the verdict was made at. Times are seconds since 1970, None for never.
    Of Client.start, `renewed` says whether the authority has answered, and `warning` is an Error that keeps nobody from
    working, or None: why a renewal did not come, or why the store could not record that time has passed.
    """

    warning = None
    verdict = property(lambda self: _named(Verdict, _library.nodelock_license_verdict(self)))
    verdict_text = property(lambda self: _text("license_verdict_text", self))
    verdict_time = property(lambda self: self._time("verdict_time"))
    set_back = property(lambda self: _library.nodelock_license_set_back(self))
    clock_error = property(lambda self: _library.nodelock_license_clock_error(self))
    machine_reason = property(lambda self: _named(Machine, _library.nodelock_license_machine_reason(self)))
    damage = property(lambda self: _named(Status, _library.nodelock_license_damage(self)) or None)
    revocation_reason = property(lambda self: _text("license_revocation_reason", self))
    time = property(lambda self: _library.nodelock_license_time(self))
    usable = property(lambda self: _library.nodelock_license_is_usable(self))
    present = property(lambda self: _library.nodelock_license_is_present(self))
    product = property(lambda self: _text("license_product", self))
    licensee = property(lambda self: _text("license_licensee", self))
    edition = property(lambda self: _text("license_edition", self))
    id = property(lambda self: _text("license_id", self))
    seat = property(lambda self: _text("license_seat", self))
    issued = property(lambda self: self._time("issued"))
    starts = property(lambda self: self._time("starts"))
    expires = property(lambda self: self._time("expires"))
    lease_until = property(lambda self: self._time("lease_until"))
    renew_after = property(lambda self: self._time("renew_after"))
    updates_until = property(lambda self: self._time("updates_until"))
    pending_seat = property(lambda self: _text("license_pending_seat", self))
    outstanding = property(lambda self: _library.nodelock_license_outstanding(self))
    should_observe = property(lambda self: _library.nodelock_license_should_observe(self))
    renewal_due = property(lambda self: _library.nodelock_license_renewal_due(self))
    renewed = property(lambda self: _library.nodelock_license_is_renewed(self))

    def __repr__(self):
        return f"<License: {self.verdict_text}{f', seat {self.seat}' if self.present else ''}>"

    def _time(self, which, *arguments):
        """Seconds since 1970. None without a license, and for never."""
        seconds = c_uint64()
        found = getattr(_library, "nodelock_license_" + which)(self, *arguments, byref(seconds))
        return seconds.value if found else None

    @property
    def deactivations_left(self):
        """How many more the license had when it was issued. None without a limit."""
        count = c_uint32()
        return count.value if _library.nodelock_license_deactivations_left(self, byref(count)) else None

    @property
    def metadata(self):
        """What the vendor tells the application: pairs of a name and a value, in the vendor's order."""
        count = _library.nodelock_license_metadata_count(self)
        return [
            (_text("license_metadata_name", self, index), _text("license_metadata_value", self, index))
            for index in range(count)
        ]

    @property
    def features(self):
        """The names of all features, also of those that cannot be used: see has_feature."""
        count = _library.nodelock_license_feature_count(self)
        return [_text("license_feature_name", self, index) for index in range(count)]

    def feature_expires(self, name):
        """When a feature is no longer there. None for never, and if the license does not list it."""
        return self._time("feature_expires", self.features.index(name)) if name in self.features else None

    def has_feature(self, name):
        return _library.nodelock_license_has_feature(self, _bytes(name))

    def feature_limit(self, name):
        """The limit, UNLIMITED if there is none. None if the license does not have the feature."""
        limit = c_uint64()
        has = _library.nodelock_license_feature_limit(self, _bytes(name), byref(limit))
        return limit.value if has else None


class Request(_Object):
    seat = property(lambda self: _text("request_seat", self))
    text = property(lambda self: _text("request_text", self))


class QR(_Object):
    terminal = property(lambda self: _text("qr_terminal", self))
    svg = property(lambda self: _text("qr_svg", self))


class Proof(_Object):
    """A seat given up. Losing this object loses nothing: see Client.outstanding."""

    seat = property(lambda self: _text("proof_seat", self))
    code = property(lambda self: _text("proof_code", self))
    text = property(lambda self: _text("proof_text", self))

    def qr(self, link):
        return QR(_get("proof_qr", self, _bytes(link)))


class Proofs(_Object):
    def __len__(self):
        return _library.nodelock_proofs_count(self)

    def __getitem__(self, index):
        proof = _library.nodelock_proofs_get(self, index) if index >= 0 else None
        if not proof:
            raise IndexError(index)
        return Proof(proof, owner=self)


class Receipt(_Object):
    seat = property(lambda self: _text("receipt_seat", self))
    outcome = property(lambda self: _library.nodelock_receipt_outcome(self))


class Receipts(_Object):
    def __len__(self):
        return _library.nodelock_receipts_count(self)

    def __getitem__(self, index):
        receipt = _library.nodelock_receipts_get(self, index) if index >= 0 else None
        if not receipt:
            raise IndexError(index)
        return Receipt(receipt, owner=self)


class Fingerprint(_Object):
    report = property(lambda self: _text("fingerprint_report", self))


class Call(_Object):
    """Limits an online call to `timeout` seconds in all, and tells `progress(event, attempt, pause_in_seconds)` what it
    does.

    `cancel` may be called from any thread: the online call then raises Error with Status.CANCELLED. It stays cancelled.
    What `progress` raises cancels it too, and the online call raises that.
    """

    _failure = None

    def __init__(self, timeout=None, progress=None):
        super().__init__(_get("call_new"))
        if timeout is not None:
            _do("call_set_timeout", self, _milliseconds(timeout))
        if progress is not None:
            this = weakref.ref(self)

            def told(_, event, attempt, pause):
                try:
                    progress(event, attempt, pause / 1000)
                except BaseException as failure:  # C cannot pass it on: see _followed
                    this()._failure = failure
                    this().cancel()

            # C holds a bare pointer to it, so it must live as long as this.
            self._progress = _Progress(told)
            _do("call_set_progress", self, None, self._progress, None)

    def cancel(self):
        _library.nodelock_call_cancel(self)


class Client(_Object):
    """One product's licensing on this machine, for any number of threads.

    `roots` are the vendor's public keys, and `denied` keys that are believed no more. Without `store`, a directory, the
    license is kept in the user's profile. `version` is the application's, for the vendor to see, and `released` when it
    was released, in seconds since 1970: what a license's maintenance date is compared with. `replace` is what a request
    for another license key puts in its place: REPLACE_LICENSE for a license that is valid, REPLACE_REQUEST for a
    request that is pending, or both, added. `describe` (a library with feature `description`) has requests and
    check-ins say what people call this computer, and its system. `deployment_key` is for machines that nobody sits at:
    with it `activate(None)` takes a seat. `free_form_keys` takes license keys that are not nodelock's own.

    `salt` keys the fingerprint, and may never change. `host_id` is an identity that the application knows better than
    any probe; with `host_id_alone` nothing else counts. `patience` is how many seconds one exchange may take, and how
    often it is tried: (30, 3) without. `plain_http` allows `http://` on another host. `proxy` is an address, or "" for
    none, whatever the environment says. `certificates` are trusted beside the system's: PEM, as text or bytes.
    `log(event, call, attempt, status, message)` is told what calls do; see nodelock_log_fn in include/nodelock.h.
    `test` is a computer of nodelock_testing, for tests without a server.
    """

    def __init__(
        self, product, roots, *, authority=None, store=None, version=None, replace=0, describe=False,
        deployment_key=None, released=None, free_form_keys=False, denied=(), salt=None, host_id=None,
        host_id_alone=False, patience=None, plain_http=False, proxy=None, certificates=None, log=None, test=None
    ):
        for keys in (roots, denied):
            if isinstance(keys, (str, bytes)):
                raise TypeError("a list of keys is expected, not one key: [key]")
        config = _Config(_get("config_new", _bytes(product)))
        for root in roots:
            _do("config_add_root", config, _bytes(root))
        for key in denied:
            _do("config_deny_key", config, _bytes(key))
        if authority is not None:
            _do("config_set_authority", config, _bytes(authority))
        if store is not None:
            _do("config_set_store_directory", config, _bytes(os.fspath(store)), None)
        if version is not None:
            _do("config_set_application_version", config, _bytes(version))
        if replace:
            _do("config_set_replace", config, replace)
        if describe:
            _do("config_set_describe_machine", config, True)
        if deployment_key is not None:
            _do("config_set_deployment_key", config, _bytes(deployment_key))
        if released is not None:
            if released < 0:
                raise ValueError(f"released: {released} seconds is before 1970")
            _do("config_set_released", config, int(released))
        if free_form_keys:
            _do("config_set_license_keys", config, 1)
        if salt is not None:
            _do("config_set_salt", config, _bytes(salt))
        if host_id is not None:
            _do("config_set_host_id", config, _bytes(host_id), int(host_id_alone))
        if patience is not None:
            seconds, attempts = patience
            _do("config_set_patience", config, _milliseconds(seconds), attempts)
        if plain_http:
            _do("config_set_plain_http", config, True)
        # A test sends nothing over a network, and its library may have none.
        if proxy is not None and test is None:
            _do(*(("config_set_proxy", config, _bytes(proxy)) if proxy else ("config_set_no_proxy", config)))
        if certificates is not None and test is None:
            pem = _content(certificates)
            _do("config_trust_certificates", config, pem, len(pem))
        if log is not None:
            # C holds a bare pointer to it, so it must live as long as this.
            self._log = _Log(
                lambda _, event, name, attempt, status, message:
                    log(event, name.decode(), attempt, _named(Status, status), message.decode())
            )
            _do("config_set_log", config, None, self._log, None)
        if test is not None:
            test.set_up(config, store is not None)
        super().__init__(_get("client_new", config))

    def start(self, limit=3, call=None):
        """All that an application does when it starts, and once a day if it runs for days: checks, records that time
        has passed, and renews when that is due. It waits for the network `limit` seconds at most; with 0 it uses
        none."""
        warning = c_void_p()
        with _followed(call):
            license = License(_get_with("client_start", warning, self, _milliseconds(limit), call))
            if warning.value:
                license.warning = Error(warning.value)
            return license

    def check(self):
        return License(_get("client_check", self))

    def observe(self):
        """Records once in a run that time has passed: call it when License.should_observe."""
        wrote = c_bool()
        _do("client_observe", self, byref(wrote))
        return wrote.value

    def begin(self, license_key, metadata={}, replace=None):
        """`license_key` is None where the vendor assigns licenses by hand. `replace` is the name of a seat that the
        request takes the place of, if no seat is free: see Error.seats. The same again gives the same request."""
        return Request(_get("client_begin", self, _bytes(license_key), _Details(metadata, replace)))

    def pending(self):
        """The pending request, or None."""
        request = _get("client_pending", self)
        return Request(request) if request else None

    def cancel(self):
        """Takes the pending request back. The authority may have granted it, so this gives a seat up."""
        return Proof(_get("client_cancel", self))

    def recover_offline(self):
        """Asks for a new seat in place of the one whose record is damaged; accept() takes the answer in."""
        return Request(_get("client_recover_offline", self))

    def accept(self, data):
        """Takes in whatever the authority sent, as bytes or text: a license, receipts, a revocation."""
        data = _content(data)
        return License(_get("client_accept", self, data, len(data)))

    def accept_receipt(self, data):
        data = _content(data)
        return Receipt(_get("client_accept_receipt", self, data, len(data)))

    def deactivate_offline(self, reason=OTHER):
        return Proof(_get("client_deactivate_offline", self, reason))

    def check_in_offline(self):
        """Asks for a renewal without a network; accept() takes the answer in."""
        return Request(_get("client_check_in_offline", self))

    def outstanding(self):
        return Proofs(_get("client_outstanding", self))

    def fingerprint(self):
        return Fingerprint(_get("client_fingerprint", self))

    def activate(self, license_key, metadata={}, call=None, replace=None):
        """`replace` is the name of a seat that is replaced, if no seat is free: see Error.seats."""
        with _followed(call):
            return License(_get("client_activate", self, _bytes(license_key), _Details(metadata, replace), call))

    def check_in(self, call=None):
        with _followed(call):
            return License(_get("client_check_in", self, call))

    def hand_in(self, call=None):
        """Sends what was given up and has no receipt. The receipts that came."""
        with _followed(call):
            return Receipts(_get("client_hand_in", self, call))

    def recover(self, call=None):
        """Takes a new seat in place of the one whose record is damaged."""
        with _followed(call):
            return License(_get("client_recover", self, call))

    def deactivate(self, reason=OTHER, call=None):
        with _followed(call):
            return Receipt(_get("client_deactivate", self, reason, call))
