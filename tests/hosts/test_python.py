"""What the module for Python does beside the guides, over a library with feature `testing`: what it refuses before C
sees it, and what it says. A command for examples/authority/tests/hosts."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

MODULES = Path(__file__).resolve().parent.parent.parent / "examples" / "python"
sys.path.insert(0, str(MODULES))

import nodelock  # noqa: E402
import nodelock_testing  # noqa: E402

# A key that nobody signs with here.
ROOT = "2DVT0pPAtl_HqGSokU5z5f_a4QdqpfYeuC4pLSf6yEM"


class Module(unittest.TestCase):
    def setUp(self):
        self.authority = nodelock_testing.Authority("Example Editor")
        self.license_key = self.authority.sell()

    def client(self, **settings):
        return nodelock.Client("Example Editor", [], test=self.authority.computer("desk"), **settings)

    def test_a_key_is_no_list_of_keys(self):
        for settings in [{"roots": "K" * 43}, {"roots": b"K" * 43}, {"roots": [], "denied": "K" * 43}]:
            with self.assertRaisesRegex(TypeError, "a list of keys"):
                nodelock.Client("Example Editor", **settings)
        with self.assertRaisesRegex(TypeError, "a str is expected, not bytes"):
            self.client().activate(self.license_key.encode())

    def test_every_setting_is_taken(self):
        lines = []
        client = self.client(
            version="1.0.0", released=self.authority.now, replace=nodelock.REPLACE_REQUEST, salt="example",
            host_id="dongle-17", host_id_alone=True, patience=(0.5, 2), plain_http=True, proxy="", certificates="",
            log=lambda *line: lines.append(line),
        )
        self.assertTrue(client.activate(self.license_key).usable)
        self.assertEqual(lines, [(1, "nodelock_client_activate", 1, 0, ""), (3, "nodelock_client_activate", 0, 0, "")])
        with self.assertRaisesRegex(ValueError, "before 1970"):
            self.client(released=-1)
        free = self.client(free_form_keys=True)
        self.assertRaises(nodelock.Error, self.client().begin, "no key of nodelock")
        self.assertTrue(free.begin("a key of the vendor's own").text)

    def test_settings_reach_the_library(self):
        for settings in [{"host_id": "x"}, {"denied": ["short"]}, {"patience": (0, 1)}]:
            with self.assertRaises(nodelock.Error, msg=settings):
                self.client(**settings)
        # A test sends nothing, so these are for a client without one.
        for settings in [{"certificates": "no certificate"}, {"proxy": "http://[no proxy"}]:
            with self.assertRaises(nodelock.Error, msg=settings):
                nodelock.Client("Example Editor", [ROOT], authority="https://licenses.example", **settings)
        # Another salt makes another machine of the same one.
        with tempfile.TemporaryDirectory() as store:
            self.client(store=store).activate(self.license_key)
            self.assertEqual(self.client(store=store).check().verdict, nodelock.Verdict.ACTIVE)
            self.assertEqual(self.client(store=store, salt="other").check().verdict, nodelock.Verdict.WRONG_MACHINE)

    def test_files_are_bytes_or_text(self):
        client = self.client()
        request = client.begin(self.license_key).text
        self.assertTrue(client.accept(self.authority.answer(request)).usable)
        proof = client.deactivate_offline().text
        receipt = self.authority.answer(proof.encode())
        self.assertEqual(client.accept_receipt(bytearray(receipt)).outcome, nodelock.RETURNED)
        with self.assertRaises(nodelock.Error):
            client.accept("no message")

    def test_what_progress_raises_cancels_the_call_and_comes_out_of_it(self):
        def progress(event, attempt, pause):
            raise RuntimeError("a window that is closed")

        client = self.client()
        for make in [lambda call: client.activate(self.license_key, call=call), lambda call: client.start(3, call)]:
            with self.assertRaisesRegex(RuntimeError, "a window that is closed"):
                make(nodelock.Call(progress=progress))
        self.assertEqual(self.authority.taken(self.license_key), 0)
        self.assertTrue(client.start(3).usable)

    def test_time_goes_forward_by_parts_of_a_day_and_back_by_setting_it(self):
        begin = self.authority.now
        self.authority.advance(days=0.5)
        self.assertEqual(self.authority.now, begin + 43200)
        with self.assertRaisesRegex(ValueError, "set `now`"):
            self.authority.advance(days=-1)
        with self.assertRaisesRegex(ValueError, "before 1970"):
            self.authority.now = -1

    def test_a_license_says_what_it_is(self):
        client = self.client()
        self.assertEqual(repr(client.check()), "<License: no license>")
        license = client.activate(self.authority.sell(deactivations=2, features=[
            {"name": "export", "expires": self.authority.now + 5}, {"name": "print"}
        ]))
        self.assertEqual(repr(license), f"<License: active, seat {license.seat}>")
        self.assertEqual(license.deactivations_left, 2)
        ends = [license.feature_expires(name) for name in ["export", "print", "none"]]
        self.assertEqual(ends, [self.authority.now + 5, None, None])
        self.assertEqual((license.damage, license.machine_reason), (None, nodelock.Machine.FITS))

    def test_terms_that_cannot_be_name_their_member(self):
        for terms, words in [
            ({"seets": 1}, "the member seets of the terms: unknown field"),
            ({"edition": "pro", "seats": "x"}, "the member seats of the terms: invalid type"),
            ({"features": [{"nome": "export"}]}, "the member features of the terms: unknown field `nome`"),
        ]:
            with self.assertRaisesRegex(nodelock.Error, words):
                self.authority.sell(**terms)
            with self.assertRaisesRegex(nodelock.Error, words):
                self.authority.change_terms(self.license_key, **terms)
        with self.assertRaisesRegex(nodelock.Error, "cannot be changed"):
            self.authority.sell(product="Another")
        # The terms are what they were.
        self.assertEqual(self.client().activate(self.license_key).edition, "")

    def test_an_address_without_a_scheme_is_told_both(self):
        with self.assertRaisesRegex(nodelock.Error, "https://HOST is expected, or http://HOST on this"):
            nodelock.Client("Example Editor", [ROOT], authority="127.0.0.1:8420")

    def test_a_library_that_cannot_be_used_is_said(self):
        def library(name, source):
            file, code = folder / f"{name}.so", folder / f"{name}.c"
            code.write_text(source)
            subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", file, code], check=True)
            return file

        def said(file):
            run = [sys.executable, "-B", "-c", "import nodelock"]
            environment = {**os.environ, "NODELOCK_LIBRARY": str(file), "PYTHONPATH": str(MODULES)}
            return subprocess.run(run, env=environment, capture_output=True, text=True).stderr.splitlines()[-1]

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self.assertRegex(said(folder / "none.so"), "^ImportError: .*none.so.* Set NODELOCK_LIBRARY to its file")
            self.assertRegex(said(library("other", "int other;")), "^ImportError: .* is no library of nodelock")
            # Of another ABI nothing else is asked.
            later = 'const char *nodelock_version(void) { return "7.0.0"; }'
            later += "unsigned nodelock_abi_version(void) { return 7; }"
            self.assertRegex(said(library("later", later)), "^ImportError: .* is nodelock 7.0.0 with ABI 7")


unittest.main()
