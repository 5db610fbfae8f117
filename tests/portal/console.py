"""The console in a real browser: Chromium, headless, with scripts and without, against the real server.

    cargo build
    target/browser-python/bin/python tests/portal/console.py [--all]

Needs what `browser.py` beside it needs, and axe, which looks for barriers. Every page is opened, at the width of a
desktop in English and of a phone, dark, in German; with `--all` in all eight ways. A screenshot of each goes to
target/console/. The list of pages is made from the console's own routes.
"""

import contextlib
import importlib.util
import pathlib
import re
import sys
import tempfile
import time
import urllib.parse

import browser
from browser import PROGRAMS, ROOT, WIDTHS, Browser, Computer, skip

browser.SHOTS = ROOT / "target" / "console"
PASSWORD = "correct horse battery staple"
SOURCES = ROOT / "examples" / "authority" / "src" / "http" / "admin" / "console"
# A name that a customer may give a computer, and one that is long.
HOSTILE = "<script>document.title='taken'</script>"
LONG = "Frau Müllers Rechner im Büro im dritten Stock links neben dem Fenster"

found = importlib.util.find_spec("axe_playwright_python")
if not found:
    skip("axe_playwright_python is missing (see tests/portal/requirements.txt)")
AXE = (pathlib.Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


class Authority(browser.Authority):
    """With the listener for administration, and an owner."""

    def __init__(self, folder):
        super().__init__(folder)
        factor = self.run("account", "new", "jane", "--role", "owner", text=PASSWORD + "\n")
        self.recovery = factor["recovery_codes"]

    def code(self):
        """A code that was not used yet: each recovery code is good once."""
        return self.recovery.pop()


def routes():
    """The pages as the source lists them, and the acts."""
    text = (SOURCES / "mod.rs").read_text(encoding="utf-8")
    pages = re.findall(r'^    \("(/console/[^"]+)", Act::', text, re.MULTILINE)
    deeds = re.findall(r'^    \w+: "([^"]+)",', (SOURCES / "deeds.rs").read_text(encoding="utf-8"), re.MULTILINE)
    pages = list(dict.fromkeys(pages))
    assert len(pages) > 20 and len(deeds) > 20, (pages, deeds)
    return pages + [f"/console/{deed}" for deed in deeds]


class World:
    """One of everything."""

    def __init__(self, authority, folder):
        run = authority.run
        sold = run(
            "license", "new", "--licensee", "Jane Doe", "--seats", "9", "--deactivations", "9", "--expires", "2099-12-31",
            "--edition", "Professional", "--order", "order 17",
        )
        self.key = sold["key"]
        self.license = sold["license"]
        self.computers = []
        for n, name in enumerate([HOSTILE, LONG, "NW-17", "gone"]):
            computer = Computer(authority, folder, f"computer-{n}")
            computer.run("activate", self.key, "--metadata", f"computer={name}", "--authority", computer.authority)
            self.computers.append(computer)
        self.seats = run("list")["seats"]
        self.customer = run("customer", "new", "--name", "Jane Doe", "--email", "jane@example.com")["id"]
        self.token = run("token", "new", "--name", "shop", "--scope", "licenses:read")["id"]
        key = run("deployment-key", "new", "--name", "CI", "--license", self.license, "--limit", "3")
        self.deployment_key = key["id"]
        self.webhook = run("webhook", "add", "https://shop.example/hook")["id"]

    def address(self, route):
        seat = self.seats[2]
        ids = {
            "licenses": self.license, "customers": self.customer, "webhooks": self.webhook, "tokens": self.token,
            "deployment-keys": self.deployment_key,
        }
        parts = {
            "handle": seat["handle"], "device": urllib.parse.quote(seat["device"], safe=""),
            "id": ids.get(route.split("/")[2], ""), "hint": self.key[-5:], "order": "order%2017", "name": "jane",
            "product": "example-editor",
        }
        return re.sub(r"\{(\w+)\}", lambda part: parts[part[1]], route)


def sign_in(chromium, authority, language):
    chromium.base = f"http://{authority.listeners['admin-listening']}"
    chromium.driver.execute_cdp_cmd("Network.enable", {})
    chromium.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Accept-Language": language}})
    chromium.open("/console/seats")
    chromium.shoot(f"sign-in-{language}")
    chromium.fill("#account", "jane")
    chromium.fill("#password", PASSWORD)
    chromium.fill("#code", authority.code())
    chromium.find("main form button").click()
    chromium.wait(lambda: chromium.driver.current_url == f"{chromium.base}/console/seats")


def barriers(chromium, name):
    """What axe finds of WCAG 2.2 AA."""
    result = chromium.driver.execute_async_script(
        AXE + ";axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],"
        "resultTypes: ['violations']}).then(arguments[arguments.length - 1])"
    )
    found = [
        (violation["id"], [node["html"][:200] for node in violation["nodes"][:3]]) for violation in result["violations"]
    ]
    assert not found, f"{name}: {found}"


def lengthen(chromium):
    """Makes every text 40 % longer, as another language may be. Times and codes are the same in every language."""
    chromium.driver.execute_script(
        "const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);"
        "for (let node; (node = walk.nextNode());) { const text = node.data.trim();"
        " if (text && !node.parentElement.closest('.when, .code'))"
        " node.data += text.slice(0, Math.ceil(text.length * 0.4)); }"
    )


def all_pages(authority, world, width, dark, language):
    with contextlib.closing(Browser(authority, width, dark=dark)) as chromium:
        chromium.driver.set_script_timeout(60)
        sign_in(chromium, authority, language)
        for route in routes():
            chromium.open(world.address(route))
            name = route.removeprefix("/console/").replace("/", "-").replace("{", "").replace("}", "")
            status = chromium.driver.execute_script("return performance.getEntriesByType('navigation')[0].responseStatus")
            assert status == 200, f"{route}: {status}"
            assert chromium.driver.title.endswith(("License console", "Lizenzkonsole")), chromium.driver.title
            barriers(chromium, f"{name} {width} {language}")
            chromium.shoot(f"{name}-{language}")
            lengthen(chromium)
            size = chromium.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
            assert size["width"] <= WIDTHS[width][0], f"{name} is too wide where texts are longer"
        complaints = chromium.complaints()
        assert not complaints, complaints
    print(f"ok: every page, {width}{', dark' if dark else ''}, {language}")


def a_call(authority, world, scripts):
    """A customer is on the phone: the laptop is dead, and another computer has no network and reads its code."""
    with contextlib.closing(Browser(authority, "desktop", scripts=scripts)) as chromium:
        sign_in(chromium, authority, "en")
        chromium.open("/console/search")
        chromium.fill("#q", world.key[-5:])
        chromium.find("main form button").click()
        chromium.wait(lambda: chromium.title() == "License of Jane Doe")
        chromium.shoot("call-license")
        lost, offline = ("gone", 1) if scripts else ("NW-17", 0)
        row = next(row for row in chromium.all("tbody tr") if lost in row.text and "in use" in row.text)
        row.find_element("partial link text", "Release").click()
        chromium.wait(lambda: chromium.title() == "Release")
        assert lost in chromium.words() and "Jane Doe" in chromium.words() and "Last contact" in chromium.words()
        chromium.shoot("call-release")
        chromium.fill("#reason", "the laptop is broken")
        chromium.find("main form button").click()
        chromium.wait(lambda: "The seat is released" in chromium.words())
        computer = world.computers[offline]
        computer.deactivate()
        code = browser.mistyped(computer.code())
        chromium.open("/console/desk")
        for field, group in zip(chromium.all(".groups input"), code.split("-")):
            field.send_keys(group.lower())
        if scripts:
            assert len(chromium.all(".groups input.whole")) == 5
            assert chromium.find(".groups [role=status]").text == "Group 5 is complete."
            chromium.shoot("call-typed")
        chromium.find("main form button").click()
        chromium.wait(lambda: len(chromium.all("mark")) == 2)
        assert "2 errors mended" in chromium.words()
        chromium.shoot("call-code")
        chromium.find("main form button").click()
        chromium.wait(lambda: "is free" in chromium.words())
        chromium.shoot("call-redeemed")
        # By the keyboard alone: the first stop leads past the links of the head.
        chromium.open("/console/search")
        if scripts:
            from selenium.webdriver.common.keys import Keys

            chromium.find("body").send_keys(Keys.TAB)
            assert chromium.driver.switch_to.active_element.text == "Skip to the content"
        chromium.find(".who button").click()
        chromium.wait(lambda: chromium.driver.current_url.endswith("/console/sign-in"))
        chromium.open("/console/seats")
        assert "/console/sign-in" in chromium.driver.current_url
        assert not chromium.complaints(), chromium.complaints()
    print(f"ok: a call, {'with' if scripts else 'without'} scripts")


def main():
    start = time.monotonic()
    for program in ("authority", "nodelock"):
        assert (PROGRAMS / program).exists(), f"{program} is missing: run `cargo build` first"
    ways = [("desktop", False, "en"), ("phone", True, "de")]
    if "--all" in sys.argv:
        ways = [(width, dark, language) for width in WIDTHS for dark in (False, True) for language in ("en", "de")]
    with tempfile.TemporaryDirectory(prefix="nodelock-console-") as folder:
        with Authority(pathlib.Path(folder)).serve("--admin-listen", "127.0.0.1:0") as authority:
            world = World(authority, pathlib.Path(folder))
            for way in ways:
                all_pages(authority, world, *way)
            for scripts in (True, False):
                a_call(authority, world, scripts)
            words = authority.words()
            assert '"status":500' not in words, words
            assert PASSWORD not in words and world.key not in words
    print(f"The console works in Chromium; {time.monotonic() - start:.0f} s. Screenshots: {browser.SHOTS.relative_to(ROOT)}/")


if __name__ == "__main__":
    main()
