"""Writes reports into perf/: a page to read and its numbers to compute with."""

import json
import os
import platform

import callgrind

FOLDER = os.path.join(callgrind.ROOT, "perf")


def table(head, rows):
    """A table in Markdown, the first column to the left and the others to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)] + rows
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def processor():
    """The processor's name, as the kernel tells it."""
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
    """Writes perf/NAME.md and perf/NAME.json."""
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, f"{name}.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(FOLDER, f"{name}.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(numbers, indent=2) + "\n")


def read(name):
    """The numbers of perf/NAME.json."""
    path = os.path.join(FOLDER, f"{name}.json")
    if not os.path.exists(path):
        raise callgrind.Failure(f"perf/{name}.json is missing: run tools/{name} first")
    with open(path, encoding="utf-8") as file:
        return json.load(file)
