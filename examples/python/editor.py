#!/usr/bin/env python3
"""The licensing of an application in Python: all that one does with a license.

    export NODELOCK_ROOT=... NODELOCK_AUTHORITY=http://127.0.0.1:8420
    export NODELOCK_LIBRARY=target/capi/libnodelock.so     # unless it is installed

    python3 examples/python/editor.py                         start: check, renew when that is due, run if usable
    python3 examples/python/editor.py activate KEY            take a seat online
    python3 examples/python/editor.py replace KEY SEAT        take it in place of another one, if none is free
    ... request KEY FILE, install FILE                        the same without a network, by files
    ... check-in                                              renew the license at once, as a button does
    ... deactivate                                            give the seat back online
    ... deactivate-offline FILE, codes, receipt FILE          the same without a network, by a code or a file
    ... details                                               say what the license says, and what it asks for
    ... cancel                                                take a request back that was not answered
    ... hand-in                                               send what was given back without a network
    ... recover                                               take a new seat where the store is damaged
    ... explain                                               say what of this machine can be recognized

Exits with 0 if that went well, 1 if it failed, 2 for wrong usage, 3 if there is no usable license.
"""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import nodelock

PRODUCT = "Example Editor"
# Where the phone that scans a QR code lands. What follows the number sign never reaches a server's log.
RETURN_PAGE = "https://example.com/return#"

DONE, FAILED, USAGE, UNUSABLE = range(4)


def client():
    """An application has its root key, its authority's address and its version in it."""
    root = os.environ.get("NODELOCK_ROOT")
    return nodelock.Client(
        PRODUCT,
        [root] if root else [],
        authority=os.environ.get("NODELOCK_AUTHORITY"),
        store=os.environ.get("NODELOCK_STORE"),
        version="1.0.0",
        # Whoever types another license key means that one: a request for the key before it is taken back.
        replace=nodelock.REPLACE_REQUEST,
    )


def progress(event, attempt, pause):
    if event == nodelock.SENDING:
        print(f"asking the authority, attempt {attempt}...", file=sys.stderr)
    elif event == nodelock.WAITING:
        print(f"trying again in {pause:.1f} s", file=sys.stderr)


def online(make):
    """Makes a call in a thread of its own, for a minute at most, so that Ctrl-C, or a button, can cancel it."""
    call = nodelock.Call(timeout=60, progress=progress)
    signal.signal(signal.SIGINT, lambda *_: call.cancel())
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(make, call)
        # Python calls the handler between two waits, and on some systems not during one.
        while not result.done():
            wait([result], timeout=0.1)
        return result.result()


def show_license(license):
    print(f"license: {license.verdict_text}")
    if license.present:
        print(f"licensed to {license.licensee}, seat {license.seat}")
    if license.outstanding:
        print(f"{license.outstanding} given up, without a receipt yet: see `codes`")
    if not license.usable:
        return UNUSABLE
    print("export:", "yes" if license.has_feature("export") else "no")
    limit = license.feature_limit("projects")
    if limit not in (None, nodelock.UNLIMITED):
        print(f"projects: up to {limit}")
    return DONE


def show_proof(proof):
    print(f"seat: {proof.seat}\ncode: {proof.code}")
    try:
        print(proof.qr(RETURN_PAGE).terminal, end="")
    except nodelock.Error as error:
        # A library without QR codes says so, and the code is there all the same.
        if error.status != nodelock.Status.UNSUPPORTED:
            raise


def show_seats(error):
    """When no seat is free: wait for the next one, or choose one to replace."""

    def day(seconds):
        return time.strftime("%Y-%m-%d", time.gmtime(seconds))

    for seat in error.seats:
        lapses = f", free on {day(seat.lapses)}" if seat.lapses else ""
        print(f"seat {seat.handle}: last heard of on {day(seat.last_contact)}{lapses} {seat.label}".rstrip(), file=sys.stderr)
    if error.next_lapse:
        print(f"If nobody renews it, the next seat is free on {day(error.next_lapse)}.", file=sys.stderr)
    if choice := [seat.handle for seat in error.seats if seat.replaceable]:
        print(f"To take the place of one that is not used any more: replace KEY {' or '.join(choice)}", file=sys.stderr)


def show_receipt(receipt):
    where = "returned" if receipt.outcome == nodelock.RETURNED else "held for this machine"
    print(f"seat {receipt.seat} is {where}")
    return DONE


def start():
    # At most 3 seconds for the network, and only when something is due. It renews the license in time.
    license = client().start(3)
    code = show_license(license)
    if license.renewed:
        print("the authority answered", file=sys.stderr)
    if license.warning:
        # Neither a network that is down nor a disk that is full keeps anybody from working.
        print(f"{PRODUCT}: {license.warning}", file=sys.stderr)
    return code


ABOUT = {"computer": "the one in the office"}


def activate(license_key):
    return show_license(online(lambda call: client().activate(license_key, ABOUT, call)))


def replace(license_key, seat):
    return show_license(online(lambda call: client().activate(license_key, ABOUT, call, replace=seat)))


def request(license_key, file):
    # The same key gives the same request, so that nobody has to wonder whether the first file arrived.
    asked = client().begin(license_key)
    Path(file).write_text(asked.text)
    print(f"send {file} to the authority: it asks for seat {asked.seat}")
    return DONE


def install(file):
    return show_license(client().accept(Path(file).read_bytes()))


def check_in():
    return show_license(online(lambda call: client().check_in(call)))


def deactivate():
    return show_receipt(online(lambda call: client().deactivate(nodelock.MOVED, call)))


def deactivate_offline(file):
    proof = client().deactivate_offline(nodelock.MOVED)
    # The license is gone by now, so first of all the code is on the screen. It can be shown again with `codes`.
    show_proof(proof)
    Path(file).write_text(proof.text)
    return DONE


def codes():
    for proof in client().outstanding():
        show_proof(proof)
    return DONE


def receipt(file):
    return show_receipt(client().accept_receipt(Path(file).read_bytes()))


def details():
    license = client().check()

    def day(seconds):
        return "never" if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))

    print(f"edition: {license.edition}\nexpires: {day(license.expires)}\nlease until: {day(license.lease_until)}")
    print(f"renew after: {day(license.renew_after)}, {'due' if license.renewal_due else 'not due'}")
    print(f"features: {', '.join(license.features)}")
    for name, value in license.metadata:
        print(f"{name}: {value}")
    if license.pending_seat:
        print(f"pending: {license.pending_seat}")
    return DONE if license.present else UNUSABLE


def cancel():
    # The authority may have granted it, so the code is worth as much as that of a license.
    show_proof(client().cancel())
    return DONE


def hand_in():
    for receipt in online(lambda call: client().hand_in(call)):
        show_receipt(receipt)
    return DONE


def recover():
    return show_license(online(lambda call: client().recover(call)))


def explain():
    print(client().fingerprint().report, end="")
    return DONE


COMMANDS = {
    "activate": activate,
    "replace": replace,
    "request": request,
    "install": install,
    "check-in": check_in,
    "deactivate": deactivate,
    "deactivate-offline": deactivate_offline,
    "codes": codes,
    "receipt": receipt,
    "details": details,
    "cancel": cancel,
    "hand-in": hand_in,
    "recover": recover,
    "explain": explain,
}


def main(arguments):
    command = COMMANDS.get(arguments[0]) if arguments else start
    if command is None or len(arguments[1:]) != command.__code__.co_argcount:
        print("usage:" + __doc__.partition("\n")[2], file=sys.stderr)
        return USAGE
    try:
        return command(*arguments[1:])
    except nodelock.Error as error:
        print(f"{PRODUCT}: {error}", file=sys.stderr)
        if error.advice:
            print(error.advice, file=sys.stderr)
        if error.proof:
            print("The seat was given up here, and the authority has not heard of it yet.", file=sys.stderr)
            show_proof(error.proof)
        show_seats(error)
        return FAILED
    except OSError as error:
        print(error, file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
