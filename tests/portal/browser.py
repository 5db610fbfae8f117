"""The portal in a real browser: Chromium, headless, against the real server, with the real command-line client beside
it.

    cargo build
    python3 -m venv target/browser-python
    target/browser-python/bin/pip install -r tests/portal/requirements.txt
    target/browser-python/bin/python tests/portal/browser.py

Needs Chromium and its driver (Debian: chromium, chromium-driver). Without them it says so and does nothing, unless
NODELOCK_REQUIRE_BROWSER=1. Screenshots of every page, at the width of a desktop and of a phone, go to target/portal/.
"""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import running  # noqa: E402

PROGRAMS = ROOT / "target" / "debug"
SHOTS = ROOT / "target" / "portal"
PRODUCT = "Example Editor"
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
# Not secure in a browser's eyes, unlike 127.0.0.1: there is no Sec-Fetch-Site, and the portal goes by Origin.
PLAIN_HOST = "portal.example"


def skip(why):
    if os.environ.get("NODELOCK_REQUIRE_BROWSER") == "1":
        sys.exit(f"FAILED: {why}, and NODELOCK_REQUIRE_BROWSER is set")
    print(f"SKIPPED: the portal was not tried in a browser: {why}")
    sys.exit(0)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    skip("Chromium or chromedriver is missing")
try:
    import zxingcpp
    from PIL import Image
    from selenium import webdriver
    from selenium.common.exceptions import TimeoutException, WebDriverException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError as error:
    skip(f"{error.name} is missing (see tests/portal/requirements.txt)")


def run(program, *arguments, environment=None, code=0):
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        timeout=120,
    )
    assert done.returncode == code, f"{program} {arguments}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout


class Authority(running.Authority):
    def __init__(self, folder):
        super().__init__(PROGRAMS / "authority", folder / "authority", PRODUCT)

    def taken(self):
        return [seat["handle"] for seat in self.run("list")["seats"] if seat["state"] in ("active", "held")]

    def silence(self, days):
        """So many days pass in which nobody hears of any computer."""
        ledger = sqlite3.connect(self.folder / "authority.db", timeout=60)
        with ledger:
            for handle, text in ledger.execute("SELECT handle, record FROM seat").fetchall():
                record = json.loads(text)
                record["contact"] -= days * 86_400
                values = record["contact"], json.dumps(record), handle
                ledger.execute("UPDATE seat SET contact = ?, record = ? WHERE handle = ?", values)
        ledger.close()


class Computer:
    """A customer's computer: the command-line client with a store of its own."""

    def __init__(self, authority, folder, name):
        self.folder, self.name = folder / name, name
        self.folder.mkdir()
        self.environment = {"NODELOCK_PRODUCT": PRODUCT}
        self.common = ["--store", str(self.folder / "store"), f"--root={authority.root}"]
        self.authority = f"http://{authority.address}"

    def run(self, *arguments, code=0):
        return run("nodelock", *arguments, *self.common, environment=self.environment, code=code)

    def activate(self, key):
        self.run("activate", key, "--metadata", f"computer={self.name}", "--authority", self.authority)

    def deactivate(self):
        self.run("deactivate", "--offline")

    def code(self):
        return self.run("code").split()[0]

    def file(self, content, name):
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return str(path)

    def is_usable(self):
        done = subprocess.run(
            [PROGRAMS / "nodelock", "status", *self.common],
            env={**os.environ, **self.environment},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


class Browser:
    def __init__(self, authority, width, scripts=True, dark=False, host=None):
        self.width, self.dark = width, dark
        self.base = f"http://{authority.address}"
        self.downloads = pathlib.Path(tempfile.mkdtemp(prefix="nodelock-downloads-"))
        self.profile = tempfile.mkdtemp(prefix="nodelock-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (
            "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
            "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
        ).split():
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={self.profile}")
        if host:
            address, port = authority.address.split(":")
            self.base = f"http://{host}:{port}"
            options.add_argument(f"--host-resolver-rules=MAP {host} {address}")
        preferences = {"download.default_directory": str(self.downloads), "download.prompt_for_download": False}
        if not scripts:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        options.add_experimental_option("prefs", preferences)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(60)
        x, y = WIDTHS[width]
        command = self.driver.execute_cdp_cmd
        command(
            "Emulation.setDeviceMetricsOverride",
            {"width": x, "height": y, "deviceScaleFactor": 1, "mobile": width == "phone"},
        )
        if dark:
            features = [{"name": "prefers-color-scheme", "value": "dark"}]
            command("Emulation.setEmulatedMedia", {"features": features})

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)
        shutil.rmtree(self.downloads, ignore_errors=True)

    def open(self, path):
        self.driver.get(self.base + path)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def fill(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def submit(self, title):
        """Presses the form's button and waits for the page with this heading."""
        self.find("main form button").click()
        self.expect(title)

    def expect(self, title):
        try:
            WebDriverWait(self.driver, 60).until(lambda _: self.title() == title)
        except TimeoutException:
            raise AssertionError(f"{title!r} is expected, not {self.driver.page_source}") from None

    def wait(self, until):
        """Waits for something to be so.

        Between two pages, what was found a moment ago may be gone. The driver says so in several ways: as a
        stale element, as one that does not exist, as an error of the browser without a class of its own.
        """
        gone = (WebDriverException,)
        WebDriverWait(self.driver, 60, ignored_exceptions=gone).until(lambda _: until())

    def title(self):
        with contextlib.suppress(Exception):
            return self.find("h1").text
        return ""

    def words(self):
        return self.find("main").text

    def download(self):
        """Presses the button of a document and returns its file."""
        before = set(self.downloads.iterdir())
        self.find(".document button").click()

        def arrived(_):
            new = set(self.downloads.iterdir()) - before
            return next((path for path in new if path.suffix == ".txt"), None)

        path = WebDriverWait(self.driver, 60).until(arrived, "nothing was downloaded")
        return path

    def shoot(self, name):
        """Takes the whole page, and checks that nothing sticks out at the side."""
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        width = WIDTHS[self.width][0]
        assert size["width"] <= width, f"{name} is {size['width']} wide, more than {width}"
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": 0, "width": width, "height": max(size["height"], 200), "scale": 1},
            },
        )
        SHOTS.mkdir(parents=True, exist_ok=True)
        suffix = f"{self.width}-dark" if self.dark else self.width
        (SHOTS / f"{name}-{suffix}.png").write_bytes(base64.b64decode(shot["data"]))

    def complaints(self):
        """What the browser had to object to: a refused script or style above all."""
        lines = self.driver.get_log("browser")
        # The status of a refusal is meant.
        return [line["message"] for line in lines if "Failed to load resource" not in line["message"]]


def mistyped(code):
    """The code with two wrong symbols."""
    other = lambda symbol: "Y" if symbol == "Z" else "Z"
    return code[:7] + other(code[7]) + code[8:20] + other(code[20]) + code[21:]


def see_seats(browser, key, computers):
    browser.open("/")
    browser.shoot("home")
    browser.find("main a[href='/seats']").click()
    browser.shoot("seats-form")
    browser.fill("#license_key", mistyped(key).lower())
    browser.submit("2 seats are free")
    rows = [row.text for row in browser.all("tbody tr")]
    for computer in computers:
        assert any(computer.name in row and "In use" in row for row in rows), rows
    assert "Group 2, place 2" in browser.words(), browser.words()
    browser.shoot("seats")


def redeem_by_typing(browser, computer, authority):
    computer.deactivate()
    code = computer.code()
    browser.open("/redeem")
    browser.shoot("redeem-form")
    wrong = "1" + "".join("0" if symbol not in "-0" else symbol for symbol in code[1:])
    browser.fill("#deactivation", wrong.replace("0", "?", 8))
    browser.submit("This code cannot be read")
    assert browser.find("#deactivation").get_attribute("value") == wrong.replace("0", "?", 8)
    browser.shoot("redeem-unreadable")
    browser.fill("#deactivation", mistyped(code))
    browser.submit(f"Seat {seat_of(code)} is free")
    assert len(browser.all("mark")) == 2 and "Group 2, place 2" in browser.words()
    browser.shoot("redeem-freed")
    path = browser.download()
    assert seat_of(code) in computer.run("receipt", str(path)), "the computer takes the receipt"
    assert seat_of(code) not in authority.taken()
    browser.open("/redeem")
    browser.fill("#deactivation", code)
    browser.submit(f"Seat {seat_of(code)} was free already")


def seat_of(code):
    return code.replace("-", "")[1:7]


def redeem_by_upload(browser, computer, authority):
    computer.deactivate()
    seat = seat_of(computer.code())
    path = computer.file(computer.run("code", "--format", "text"), "deactivation.txt")
    browser.open("/redeem")
    browser.find("#file").send_keys(path)
    browser.submit(f"Seat {seat} is free")
    computer.run("receipt", str(browser.download()))
    assert seat not in authority.taken()


def scan(computer, link):
    """What a phone reads off the QR code that the computer shows."""
    svg = computer.run("code", "--format", "svg", "--link", link)
    picture = computer.file(f"<!DOCTYPE html><body style='margin:0;background:#fff'>{svg}", "qr.html")
    subprocess.run(
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
            f"--user-data-dir={computer.folder / 'qr-profile'}", "--window-size=900,900",
            f"--screenshot={computer.folder / 'qr.png'}", f"file://{picture}",
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    image = Image.open(computer.folder / "qr.png")
    [code] = zxingcpp.read_barcodes(image)
    return code.text


def redeem_by_link(browser, computer, authority):
    computer.deactivate()
    seat = seat_of(computer.code())
    link = scan(computer, f"{browser.base}/redeem#")
    secret = link.split("#")[1]
    assert len(secret) > 100
    # The page that is open is the answer to a form, at the same address and without the field.
    browser.driver.get(link)
    browser.wait(lambda: browser.all("#filled") and browser.find("#filled").is_displayed())
    assert browser.driver.current_url == f"{browser.base}/redeem", "the address bar holds it no more"
    assert browser.find("#deactivation").get_attribute("value") == secret
    browser.shoot("redeem-link")
    # A second scan into the page that is open, as phones do.
    browser.find("#deactivation").clear()
    browser.driver.execute_script("location.hash = arguments[0]", secret)
    browser.wait(lambda: browser.find("#deactivation").get_attribute("value") == secret)
    assert "#" not in browser.driver.current_url
    browser.submit(f"Seat {seat} is free")
    computer.run("receipt", str(browser.download()))
    browser.driver.back()
    assert "#" not in browser.driver.current_url, "nor does going back bring it there"
    assert seat not in authority.taken()
    words = authority.words()
    assert secret not in words and secret[20:60] not in words


def activate_offline(browser, computer, key, authority):
    request = computer.file(
        computer.run("request", key, "--metadata", f"computer={computer.name}"), "request.txt"
    )
    browser.open("/activate")
    browser.shoot("activate-form")
    browser.find("#file").send_keys(request)
    browser.submit("The license is ready")
    browser.shoot("activate-done")
    path = browser.download()
    computer.run("install", str(path))
    assert computer.is_usable()
    browser.find("summary").click()
    shown = browser.find("textarea.text").get_attribute("value")
    assert shown.strip() == path.read_text(encoding="utf-8").strip(), "the text shown is the file"
    browser.shoot("activate-text")


def refusals(browser, authority, folder):
    """What goes wrong looks right, too."""
    key = authority.sell(1)
    computers = [Computer(authority, folder, f"{browser.width}-refused-{n}") for n in range(2)]
    computers[0].activate(key)
    browser.open("/activate")
    browser.fill("#request", computers[1].run("request", key))
    browser.submit("No seat is free")
    browser.shoot("activate-refused")
    browser.open("/redeem")
    browser.fill("#deactivation", key)
    browser.submit("This is a license key")
    browser.shoot("redeem-misplaced")
    browser.find("main a[href='/seats']").click()
    browser.fill("#license_key", "2ABCD-EFGH?-JKM")
    browser.submit("No license has this key")
    browser.shoot("seats-unknown")
    browser.fill("#license_key", key)
    browser.submit("Every seat is taken")
    big = folder / "big.bin"
    big.write_bytes(os.urandom(5 * 1024 * 1024))
    browser.open("/redeem")
    browser.find("#file").send_keys(str(big))
    browser.submit("This is too large")
    browser.shoot("too-large")
    browser.open("/nowhere")
    assert browser.title() == "There is no such page"
    browser.shoot("not-found")


def replace_seats(browser, authority, folder):
    """No seat is free: a computer that is not used any more gives way to a request, and another one without a
    request."""
    key = authority.sell(2, "--seat-list", "labels", "--replace", "2")
    names = ["The old laptop", "The one in the office on the third floor, by the window", "new"]
    computers = [Computer(authority, folder, f"{browser.width}-gone-{n}") for n in range(len(names))]
    for computer, name in zip(computers[:2], names):
        computer.run("activate", key, "--metadata", f"computer={name}", "--authority", computer.authority)
    authority.silence(30)
    request = computers[2].file(computers[2].run("request", key, "--metadata", "computer=new"), "request.txt")
    browser.open("/activate")
    browser.find("#file").send_keys(request)
    browser.submit("No seat is free")
    assert "00:00 UTC" not in browser.words(), browser.words()
    choices = browser.all(".choices label")
    assert len(choices) == 3, [choice.text for choice in choices]
    browser.shoot("activate-choice")
    next(choice for choice in choices if names[0] in choice.text).click()
    browser.submit("The license is ready")
    computers[2].run("install", str(browser.download()))
    assert computers[2].is_usable()

    authority.silence(30)
    browser.open("/seats")
    browser.fill("#license_key", key)
    browser.submit("Every seat is taken")
    browser.shoot("seats-choice")
    [choice] = [choice for choice in browser.all(".choices label") if names[1] in choice.text]
    seat = choice.find_element(By.CSS_SELECTOR, "input").get_attribute("value")
    choice.click()
    browser.fill("#license_key", key)
    browser.submit(f"Seat {seat} is free")
    browser.shoot("seats-freed")
    assert seat not in authority.taken()


def every_state(browser, authority, folder):
    """Seats in every state, with names of every length; a seat that is held; a code that comes before its request."""
    key = authority.sell(5, "--deactivations", "1")
    names = ["x" * 64 + "-a-name-without-a-space", "Frau Müllers Rechner im Büro im dritten Stock links", "⚙️ שולחן", "d"]
    computers = [Computer(authority, folder, f"{browser.width}-state-{n}") for n in range(len(names))]
    for computer, name in zip(computers, names):
        computer.run("activate", key, "--metadata", f"computer={name}", "--authority", computer.authority)
    computers[1].deactivate()
    browser.open("/redeem")
    browser.fill("#deactivation", computers[1].code())
    browser.submit(f"Seat {seat_of(computers[1].code())} is free")
    # This one was activated while a deactivation was left, so it may give its seat up, which is then held.
    computers[2].deactivate()
    browser.open("/redeem")
    browser.fill("#deactivation", computers[2].code())
    browser.submit(f"Seat {seat_of(computers[2].code())} is held for its computer")
    browser.shoot("redeem-held")
    browser.open("/redeem")
    browser.fill("#deactivation", "17KX2-M928T-5CY4T-QKFFW-EZFWM")
    browser.submit("Seat 7KX2M9 is not known here yet")
    browser.shoot("redeem-kept")
    [lost] = [seat for seat in authority.run("list")["seats"] if seat["machine"].get("computer") == "d"
              and seat["state"] == "active"]
    authority.run("release", lost["handle"], "--reason", "stolen", "--yes")
    browser.open("/seats")
    browser.fill("#license_key", key)
    browser.submit("3 seats are free")
    # The list shows what a seat keeps of the name, 64 bytes.
    shown = [name[:64] for name in names]
    for words in ("In use", "Given back", "Held for this computer", "Released by the vendor", *shown):
        assert words in browser.words(), (words, browser.words())
    browser.shoot("seats-every-state")


def too_many(folder):
    """Wrong codes come to an end; on a server of its own, because the limit counts for everybody at this address."""
    (folder / "limited").mkdir()
    with Authority(folder / "limited").serve() as authority:
        computer = Computer(authority, folder / "limited", "computer")
        computer.activate(authority.sell(1))
        with contextlib.closing(Browser(authority, "phone")) as browser:
            for n in range(11):
                browser.open("/redeem")
                browser.fill("#deactivation", "17KX2-M928T-5CY4T-QKFFW-EZFWM")
                browser.find("main form button").click()
                browser.expect("Seat 7KX2M9 is not known here yet" if n < 10 else "Too many attempts")
            browser.shoot("too-many")
            computer.deactivate()
            browser.find("#file").send_keys(computer.file(computer.run("code", "--format", "text"), "deactivation.txt"))
            browser.submit(f"Seat {seat_of(computer.code())} is free")


def another_website(authority):
    """A page elsewhere that sends our form is refused, by Sec-Fetch-Site and by Origin; our own page is not."""
    page = (
        "<!DOCTYPE html><title>elsewhere</title>"
        + "".join(
            f"<form method=post action='{target}/redeem' enctype='multipart/form-data'>"
            "<input name=deactivation value=17KX2-M928T-5CY4T-QKFFW-EZFWM><button>win</button></form>"
            for target in (f"http://{authority.address}", f"http://{PLAIN_HOST}:{authority.address.split(':')[1]}")
        )
    ).encode()

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.closing(Browser(authority, "desktop", host=PLAIN_HOST)) as browser:
        for n in range(2):
            browser.driver.get(f"http://127.0.0.1:{server.server_port}/")
            browser.all("button")[n].click()
            browser.expect("This form was sent from another website")
        # Our own form is not, without Sec-Fetch-Site either.
        browser.open("/redeem")
        browser.fill("#deactivation", "17KX2")
        browser.submit("This code cannot be read")
    server.shutdown()


def without_scripts(authority, folder, key):
    with contextlib.closing(Browser(authority, "phone", scripts=False)) as browser:
        computer = Computer(authority, folder, "no-scripts")
        activate_offline_plain(browser, computer, key)
        computer.deactivate()
        seat = seat_of(computer.code())
        link = scan(computer, f"{browser.base}/redeem#")
        browser.driver.get(link)
        assert "Copy the whole address" in browser.words(), browser.words()
        assert browser.find("#deactivation").get_attribute("value") == ""
        browser.shoot("redeem-no-scripts")
        # The person copies the address and pastes it.
        browser.fill("#deactivation", browser.driver.current_url)
        browser.submit(f"Seat {seat} is free")
        computer.run("receipt", str(browser.download()))
        browser.open("/seats")
        browser.fill("#license_key", key)
        browser.find("main form button").click()
        browser.wait(lambda: "Computers" in browser.words())
        assert "no-scripts" in browser.words()


def activate_offline_plain(browser, computer, key):
    browser.open("/activate")
    browser.fill("#request", computer.run("request", key, "--metadata", f"computer={computer.name}"))
    browser.submit("The license is ready")
    computer.run("install", str(browser.download()))
    assert computer.is_usable()


def tour(authority, folder, width, dark=False):
    name = f"{width}-{'dark' if dark else 'light'}"
    key = authority.sell(5, "--deactivations", "9", "--expires", "2099-12-31", "--edition", "Professional")
    computers = [Computer(authority, folder, f"{name}-{n}") for n in range(4)]
    for computer in computers[:3]:
        computer.activate(key)
    with contextlib.closing(Browser(authority, width, dark=dark)) as browser:
        see_seats(browser, key, computers[:3])
        redeem_by_typing(browser, computers[0], authority)
        redeem_by_upload(browser, computers[1], authority)
        redeem_by_link(browser, computers[2], authority)
        activate_offline(browser, computers[3], key, authority)
        refusals(browser, authority, folder)
        replace_seats(browser, authority, folder)
        every_state(browser, authority, folder)
        complaints = browser.complaints()
        assert not complaints, complaints
    print(f"ok: {name}")


def main():
    start = time.monotonic()
    for program in ("authority", "nodelock"):
        assert (PROGRAMS / program).exists(), f"{program} is missing: run `cargo build` first"
    with tempfile.TemporaryDirectory(prefix="nodelock-portal-") as folder:
        folder = pathlib.Path(folder)
        with Authority(folder).serve() as authority:
            tour(authority, folder, "desktop")
            tour(authority, folder, "phone", dark=True)
            without_scripts(authority, folder, authority.sell(2))
            print("ok: without scripts")
            another_website(authority)
            print("ok: another website's form is refused")
            too_many(folder)
            print("ok: too many attempts")
            words = authority.words()
            assert '"status":500' not in words, words
    print(f"The portal works in Chromium; {time.monotonic() - start:.0f} s. Screenshots: {SHOTS.relative_to(ROOT)}/")


if __name__ == "__main__":
    main()
