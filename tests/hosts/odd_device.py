"""A device that says odd things, as a command for examples/authority/tests/hosts: what no client of the library would
send, or not in that order.

    odd_device.py PRODUCT LICENSE_KEY OTHER_LICENSE_KEY

Writes into the current folder, for two seats of one device: `request.txt`, the activation file of the first;
`conflict.txt`, a genuine deactivation file of a second request under the same name; `early-request.txt`, the activation
file of the second seat, with `early-proof.txt`, which gives it up without its request, and `early-code.txt`;
`other-proof-N.txt`, nine proofs of other requests under the second seat's name; `coded-request.txt` and
`coded-code.txt`, a third seat that is given up by its code alone; `wrong-code-N.txt`, eleven codes that are not the
first seat's; `twin-request.txt` and `twin-code.txt`, another device that drew the first seat's name;
`other-license-0.txt` and `other-license-1.txt`, activation files of the device for the other license; `recovery.txt`,
that of the device after it lost its store.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))

from nodelock_format import code, device, envelope, fingerprint, forms, messages, release  # noqa: E402
from nodelock_format.device import Activation, Requested  # noqa: E402
from nodelock_format.envelope import Envelope, Kind  # noqa: E402
from peer import CANCELLED, Store  # noqa: E402

NO_TAGS = fingerprint.Fingerprint([], virtual_machine=False, container=False)


def again(store, later):
    """Asks for a seat under the name of the pending request once more."""
    pending = store.record.current[1]
    request = messages.verified_request(Envelope.parse(pending.request))
    request = replace(request, created=request.created + later)
    sealed = envelope.seal(Kind.ACTIVATION_REQUEST, messages.encode(request), store.seed)
    activation = Activation(pending.activation.handle, pending.activation.secret, sealed.digest)
    store.commit(replace(store.record, current=(device.REQUESTED, Requested(activation, sealed.to_bytes(), None, None))))


def main(product, license_key, other_license_key):
    folder, now = Path("odd-device"), int(time.time())
    folder.mkdir()
    store = Store.create(folder)

    def begin(license_key=license_key):
        store.begin(product, license_key, now, NO_TAGS)
        return store.record.current[1].activation

    def request():
        return forms.armored_file(forms.activation_file(store.request(), []))

    def give_up(with_request):
        given = store.give_up(product, now, CANCELLED)
        given = given if with_request else forms.Given(given.proof, None)
        return forms.armored_file(forms.deactivation_file(given))

    def code_of(activation):
        return code.deactivation_code(release.Release(activation.handle, activation.secret))

    first = begin()
    files = {"request": request()}
    for number in range(11):
        files[f"wrong-code-{number}"] = code_of(replace(first, secret=first.secret ^ (number + 1)))
    again(store, 1)
    files["conflict"] = give_up(with_request=True)

    activation = begin()
    files |= {"early-request": request(), "early-code": code_of(activation)}
    pending = store.record.current
    files["early-proof"] = give_up(with_request=False)
    for number in range(9):
        store.commit(replace(store.record, current=pending))
        again(store, number + 1)
        files[f"other-proof-{number}"] = give_up(with_request=False)

    files["coded-code"] = code_of(begin())
    files["coded-request"] = request()

    for number in range(2):
        begin(other_license_key)
        files[f"other-license-{number}"] = request()
    begin("")
    digest = store.request().digest
    recovery = messages.RecoveryRequest(store.device_key, product, digest, now, [])
    sealed = envelope.seal(Kind.RECOVERY_REQUEST, messages.encode(recovery), store.seed)
    bundle = forms.to_file([store.request().to_bytes(), sealed.to_bytes()])
    files["recovery"] = forms.armored_file(bundle)

    twin = Store.create(folder)
    # Databases find seats of one name in the order of their device keys: the twin's is the last.
    while forms.base64url(twin.device_key) < forms.base64url(store.device_key):
        twin = Store.create(folder)
    twin.begin(product, license_key, now, NO_TAGS)
    own = messages.verified_request(twin.request())
    secret = release.Release(first.handle, first.secret ^ 0xFFFF)
    own = replace(own, handle=secret.handle, release_commitment=secret.commitment(twin.device_key))
    sealed = envelope.seal(Kind.ACTIVATION_REQUEST, messages.encode(own), twin.seed)
    files["twin-request"] = forms.armored_file(forms.activation_file(sealed, []))
    files["twin-code"] = code.deactivation_code(secret)

    for name, text in files.items():
        Path(f"{name}.txt").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
