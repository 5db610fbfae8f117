"""nodelock for Python: the C interface by ctypes, with nothing but the standard library.

    client = Client("Example Editor", roots=["...43 characters..."], authority="https://licenses.example.com")
    license = client.start(3)       # at each start: checks, and renews when that is due
    if license.usable: ...

What can fail raises `Error`, with the status of include/nodelock.h. What the library gave out is freed when Python has
no more use for it. Calls that go online block, let other threads of Python run meanwhile, and can be cancelled from
there: see `Call`.
"""

import ctypes
import ctypes.util
import os
import weakref
from collections import namedtuple
from ctypes import POINTER, byref, c_bool, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p

ABI_VERSION = 1
UNLIMITED = 2**64 - 1

# The statuses that a program is likely to ask for; include/nodelock.h has all of them.
NO_FREE_SEAT = 71
TRIAL_USED = 81
APPROVAL_WANTED, REQUEST_REFUSED = 82, 83
DEPLOYMENT_KEY_REFUSED, DEPLOYMENT_KEY_USED_UP = 84, 85
UNREACHABLE = 60
CANCELLED = 62
UNSUPPORTED = 2

OTHER, MOVED, RETIRED, REINSTALLED = range(4)
REPLACE_LICENSE, REPLACE_REQUEST = 1, 2
SENDING, WAITING = 1, 2
RETURNED, HELD = 1, 2


# A seat that the authority told of when none was free. Times are seconds since 1970; `lapses` is 0 for never.
Seat = namedtuple("Seat", "handle label last_contact lapses replaceable")

_Progress = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_uint32, c_uint64)

_Out = POINTER(c_void_p)
_Lent = c_void_p

# Each function with what it returns and takes. Those that return a status take the place for an error last, which is
# not listed.
_STATUS = {
    "config_new": (c_char_p, _Out),
    "config_add_root": (c_void_p, c_char_p),
    "config_set_authority": (c_void_p, c_char_p),
    "config_set_store_directory": (c_void_p, c_char_p, c_char_p),
    "config_set_application_version": (c_void_p, c_char_p),
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
    "license_pending_seat": (c_char_p, c_void_p),
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


def _load():
    """The library: the file that NODELOCK_LIBRARY names, or the installed one."""
    library = ctypes.CDLL(os.environ.get("NODELOCK_LIBRARY") or ctypes.util.find_library("nodelock") or "libnodelock.so")
    for name, arguments in _STATUS.items():
        function = getattr(library, "nodelock_" + name)
        function.restype, function.argtypes = c_uint32, (*arguments, _Out)
    for name, (result, *arguments) in _LOOKS.items():
        function = getattr(library, "nodelock_" + name)
        function.restype, function.argtypes = result, arguments
    for name in _OBJECTS:
        function = getattr(library, f"nodelock_{name}_free")
        function.restype, function.argtypes = None, (c_void_p,)
    if library.nodelock_abi_version() != ABI_VERSION:
        raise ImportError(f"nodelock {library.nodelock_version().decode()} cannot be used with this module")
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
    if "\0" in text:
        raise ValueError("a NUL in a text")
    return text.encode()


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
    """`status` is the number of include/nodelock.h, `kind` its name, such as `no-free-seat`, `message` the words.
    `advice` is what a person can do about it, or empty.

    `proof` is what a deactivation gave up before it failed, else None: show its code. With NO_FREE_SEAT, `seats` are
    the seats that there are, some of which may be replaced, and `next_lapse` is when the next one lapses; 0 if none
    does. With TRIAL_USED, `trial_ended` is when the trial of this machine ended; 0 if the authority did not say.
    """

    def __init__(self, pointer):
        error = _Error(pointer)
        self.status = _library.nodelock_error_status(error)
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
        super().__init__(f"{self.kind} ({self.status}): {self.message}")


class License(_Object):
    """What a check found. It does not change any more.

    Times are seconds since 1970, None for never. Of Client.start, `renewed` says whether the authority has answered,
    and `warning` is an Error that keeps nobody from working, or None: why a renewal did not come, or why the store
    could not record that time has passed.
    """

    warning = None
    verdict = property(lambda self: _library.nodelock_license_verdict(self))
    verdict_text = property(lambda self: _text("license_verdict_text", self))
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

    def _time(self, which):
        """Seconds since 1970. None without a license, and for never."""
        seconds = c_uint64()
        found = getattr(_library, "nodelock_license_" + which)(self, byref(seconds))
        return seconds.value if found else None

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

    `cancel` may be called from any thread: the online call then raises Error with CANCELLED.
    """

    def __init__(self, timeout=None, progress=None):
        super().__init__(_get("call_new"))
        if timeout is not None:
            # C would take a time that is over for a very long one.
            _do("call_set_timeout", self, max(0, int(timeout * 1000)))
        if progress is not None:
            # C holds a bare pointer to it, so it must live as long as this.
            self._progress = _Progress(lambda _, event, attempt, pause: progress(event, attempt, pause / 1000))
            _do("call_set_progress", self, None, self._progress, None)

    def cancel(self):
        _library.nodelock_call_cancel(self)


class Client(_Object):
    """One product's licensing on this machine, for any number of threads.

    Without `store`, a directory, the license is kept in the user's profile. `replace` is what a request for another
    license key puts in its place: REPLACE_LICENSE for a license that is valid, REPLACE_REQUEST for a request that is
    pending, or both, added. `describe` has requests and check-ins say what people call this computer, and its system.
    `deployment_key` is for machines that nobody sits at: with it `activate(None)` takes a seat. `test` is a computer of
    nodelock_testing, for tests without a server.
    """

    def __init__(
        self, product, roots, *, authority=None, store=None, version=None, replace=0, describe=False,
        deployment_key=None, test=None
    ):
        config = _Config(_get("config_new", _bytes(product)))
        for root in roots:
            _do("config_add_root", config, _bytes(root))
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
        if test is not None:
            test.set_up(config, store is not None)
        super().__init__(_get("client_new", config))

    def start(self, limit=3, call=None):
        """All that an application does when it starts, and once a day if it runs for days: checks, records that time
        has passed, and renews when that is due. It waits for the network `limit` seconds at most; with 0 it uses
        none."""
        warning = c_void_p()
        license = License(_get_with("client_start", warning, self, max(0, int(limit * 1000)), call))
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
        """Takes in whatever the authority sent: a license, receipts, a revocation."""
        return License(_get("client_accept", self, data, len(data)))

    def accept_receipt(self, data):
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
        return License(_get("client_activate", self, _bytes(license_key), _Details(metadata, replace), call))

    def check_in(self, call=None):
        return License(_get("client_check_in", self, call))

    def hand_in(self, call=None):
        """Sends what was given up and has no receipt. The receipts that came."""
        return Receipts(_get("client_hand_in", self, call))

    def recover(self, call=None):
        """Takes a new seat in place of the one whose record is damaged."""
        return License(_get("client_recover", self, call))

    def deactivate(self, reason=OTHER, call=None):
        return Receipt(_get("client_deactivate", self, reason, call))
