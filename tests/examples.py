#!/usr/bin/env python3
"""Each example of the Rust API calls what it documents: without the call it does not compile any more, or fails.

    tests/examples.py                    every example, in a handful of runs of the compiler
    tests/examples.py --show ITEM        what becomes of the examples of one item

The call is cut out with all that belongs to it, such as `.check()?`. What is left of all examples goes into one crate,
a module for each, which is checked. Each module with an error in it is taken out, and the rest is checked again,
because an error of one kind hides those of another. What compiles in the end is run, and must fail.

Of a type, the calls are those that make a value of it: by its name, or by a method that returns one (`MADE_BY`).
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "examples-without-their-calls"
FEATURES = ["authority", "capi", "description", "online", "qr", "socks", "testing", "tokio"]
MINIMUM = 140
# Types whose values come out of a method.
MADE_BY = {
    "PendingRequest": ["pending", "begin"],
    "Deactivation": ["cancel", "deactivate_offline"],
    "Started": ["start"],
}


def examples():
    """Each example of an item: its place, the item's name, and the code without what rustdoc hides it by."""
    for path in sorted((ROOT / "src").rglob("*.rs")):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(("src/ffi/", "src/model/")):
            continue
        documents, first = [], 0
        for number, line in enumerate(path.read_text().splitlines(), 1):
            text = line.strip()
            if text.startswith("///"):
                first = first if documents else number
                documents.append(text[3:].removeprefix(" "))
            elif text.startswith("#[") or (documents and text.endswith("]") and not text.startswith("pub")):
                continue
            else:
                item = re.match(r"(?:pub )?(?:const |unsafe )*(fn|struct|enum|trait|type|const|mod) (\w+)", text)
                if item and documents:
                    yield from blocks(f"{place}:{first}", item[2], documents)
                documents = []


def blocks(place, name, documents):
    text = "\n".join(documents)
    for info, code in re.findall(r"^```(.*)\n((?:.*\n)*?)```$", text, re.MULTILINE):
        if info in ("", "no_run"):
            lines = [re.sub(r"^# ?", "", line) if re.match(r"# |#$", line) else line for line in code.splitlines()]
            yield place, name, "\n".join(lines)


def end_of_call(code, at):
    """The place behind what begins at `at` with a bracket of any kind; `at` itself without one."""
    if at >= len(code) or code[at] not in "([{":
        return at
    depth, text = 0, False
    while at < len(code):
        if code[at] == '"' and code[at - 1] != "\\":
            text = not text
        if not text:
            depth += (code[at] in "([{") - (code[at] in ")]}")
            if depth == 0:
                return at + 1
        at += 1
    return at


def without(code, name):
    """The code without each use of `name` in it, imports apart."""
    found = 0
    for word in [name, *MADE_BY.get(name, [])]:
        at = 0
        while use := re.compile(rf"\b{word}\b").search(code, at):
            line = code[code.rfind("\n", 0, use.start()) + 1 : use.start()]
            if line.lstrip().startswith(("use ", "//")) or "// " in line or line.count('"') % 2:
                at = use.end()
                continue
            start, end = use.start(), use.end()
            # The path in front of it, or the point of a method.
            while path := re.search(r"(?:\w+(?:<[^<>]*>)?::|\.)$", code[:start]):
                start = path.start()
            is_method = code[start : use.start()].startswith(".")
            # A method of a type, a list of fields, arguments.
            while more := re.match(r"::<[^<>]*>|::\w+|!", code[end:]):
                end += more.end()
            end = end_of_call(code, end)
            end += len(re.match(r"\??", code[end:])[0])
            code = code[:start] + ("" if is_method else "()") + code[end:]
            at, found = start, found + 1
    return code if found else None


def as_module(number, code):
    """An example as rustdoc wraps it."""
    body = "\n".join("    " * 2 + line for line in code.splitlines())
    if "fn main()" in code:
        return f"pub mod example_{number} {{\n{body.replace('fn main()', 'pub fn main()')}\n}}\n"
    result = "-> Result<(), nodelock::Error> " if "Ok::<(), nodelock::Error>(())" in code else ""
    return f"pub mod example_{number} {{\n    pub fn main() {result}{{\n{body}\n    }}\n}}\n"


def cargo(*arguments):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target")}
    return subprocess.run(
        ["cargo", *arguments, "--offline", "--quiet", "--manifest-path", str(FOLDER / "Cargo.toml")],
        env=environment,
        capture_output=True,
        text=True,
    )


def write_manifest():
    manifest = (ROOT / "Cargo.toml").read_text()
    profile = re.search(r"^\[profile\.dev\]\n(?:.+\n)+", manifest, re.MULTILINE)[0]
    tokio = re.findall(r"^tokio = \{ version.*\n", manifest, re.MULTILINE)[-1]
    features = ", ".join(f'"{feature}"' for feature in FEATURES)
    (FOLDER / "src").mkdir(parents=True, exist_ok=True)
    (FOLDER / "Cargo.toml").write_text(
        '[workspace]\n\n[package]\nname = "without-their-calls"\nversion = "0.0.0"\nedition = "2024"\n\n'
        f'[dependencies]\nnodelock = {{ path = "{ROOT}", features = [{features}] }}\n{tokio}\n{profile}'
    )
    (FOLDER / "Cargo.lock").write_text((ROOT / "Cargo.lock").read_text())


def faulty(modules):
    """Checks these modules as one crate. Those with an error in them."""
    lines, text = {}, "#![allow(warnings)]\n"
    for number, module in modules.items():
        first = text.count("\n") + 1
        text += module
        lines.update(dict.fromkeys(range(first, text.count("\n") + 1), number))
    (FOLDER / "src" / "main.rs").write_text(text + main(modules))
    checked = cargo("check", "--message-format", "json")
    found = set()
    for line in checked.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-message" and message["message"]["level"] == "error":
            for span in filter(lambda span: span["is_primary"], message["message"]["spans"]):
                # What is wrong in a macro is wrong where it is used.
                while not span["file_name"].endswith("src/main.rs") and span["expansion"]:
                    span = span["expansion"]["span"]
                found.add(lines.get(span["line_start"]))
    if checked.returncode and not found - {None}:
        sys.exit(f"the crate of the examples cannot be checked:\n{checked.stderr}{checked.stdout[-2000:]}")
    return found - {None}


def main(modules):
    """Runs the example that the first argument names, and fails as it does."""
    arms = "".join(
        f'        "{number}" => drop(example_{number}::main(){".unwrap()" if "main() -> " in module else ""}),\n'
        for number, module in modules.items()
    )
    return f"fn main() {{\n    match &*std::env::args().nth(1).unwrap() {{\n{arms}        _ => unreachable!(),\n    }}\n}}\n"


def run():
    all_examples = list(examples())
    unused, modules = [], {}
    for number, (place, name, code) in enumerate(all_examples):
        stripped = without(code, name)
        if stripped is None:
            unused.append(f"{place}: {name}")
        else:
            modules[number] = as_module(number, stripped)
    if unused:
        sys.exit("these examples do not use what they document:\n" + "\n".join(unused))
    if len(modules) < MINIMUM:
        sys.exit(f"{len(modules)} examples; {MINIMUM} are expected")
    write_manifest()
    # What is whole must compile here, or an error would say nothing.
    whole = {number: as_module(number, code) for number, (_, _, code) in enumerate(all_examples)}
    if wrong := faulty(whole):
        sys.exit("these examples do not compile here: " + ", ".join(all_examples[number][0] for number in wrong))
    total = len(modules)
    while modules and (wrong := faulty(modules)):
        modules = {number: module for number, module in modules.items() if number not in wrong}
    missed = []
    if modules:
        if (built := cargo("build")).returncode:
            sys.exit(built.stderr)
        program = ROOT / "target" / "debug" / "without-their-calls"
        for number in modules:
            if subprocess.run([program, str(number)], capture_output=True).returncode == 0:
                missed.append("{}: {}".format(*all_examples[number][:2]))
    if missed:
        sys.exit("these examples do as well without what they document:\n" + "\n".join(missed))
    print(f"{total} examples: {total - len(modules)} do not compile without their call, {len(modules)} fail")


if sys.argv[1:2] == ["--show"]:
    for place, name, code in examples():
        if name == sys.argv[2]:
            print(f"--- {place}\n{without(code, name)}\n")
else:
    run()
