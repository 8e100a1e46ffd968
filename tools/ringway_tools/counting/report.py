"""Writes reports: a page to read and its numbers to compute with.

They go to .build/counts, which git ignores, unless --write says that the committed ones in perf/ are meant.
"""

import json
import os
import platform

from ringway_tools.counting import callgrind
from ringway_tools.failure import Failure
from ringway_tools.paths import ROOT

COMMITTED = os.path.join(ROOT, "perf")
folder = os.path.join(ROOT, ".build", "counts")


def add_option(parser):
    """The option that says where reports go; `choose` follows it."""
    parser.add_argument("--write", action="store_true", help="replace the committed report in perf/ (default: "
                        ".build/counts)")


def choose(arguments):
    global folder
    if arguments.write:
        folder = COMMITTED


def table(head, rows):
    """A table in Markdown, the first column to the left and the others to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)] + rows
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def processor():
    """The processor's name from /proc/cpuinfo."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def machine():
    """In one line, where the numbers come from."""
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    return f"{os.cpu_count()} cores of {processor()}, {system}, Swift {callgrind.compiler()}"


def write(name, text, numbers):
    """Writes NAME.md and NAME.json."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{name}.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(numbers, indent=2) + "\n")
    print(f"Written to {os.path.relpath(folder, ROOT)}/{name}.md.")


def read(name):
    """The numbers of NAME.json: this machine's where there are some, or else the committed ones."""
    path = os.path.join(folder, f"{name}.json")
    if not os.path.exists(path):
        path = os.path.join(COMMITTED, f"{name}.json")
    if not os.path.exists(path):
        raise Failure(f"{name}.json is missing: run tools/{name} first")
    with open(path, encoding="utf-8") as file:
        return json.load(file)
