"""Counts what a workload of Benchmarks costs, in instructions and allocations, by callgrind.

Hardware counters are absent in many virtual machines and count differently where they are present. Callgrind executes
the program on a processor of its own making: it looks the same on every x86-64 host with AVX2, so the run-time
dispatch of memcpy and of checksums takes the same turn everywhere, and a program compiled by the same compiler costs
the same, to the instruction.

What memcpy costs depends on where its operands lie within a cache line, and where the stack begins depends on the
length of the environment and of the program's path: both are the same in every run.
"""

import os
import re
import shutil
import subprocess
import tempfile

from ringway_tools.failure import Failure
from ringway_tools.paths import ROOT, TOOLS

PACKAGE = os.path.join(ROOT, "Benchmarks")
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}


def clean():
    """Has the next build begin from nothing."""
    subprocess.run(["swift", "package", "--package-path", PACKAGE, "clean"], check=True)


def environment():
    """The same hash tables, no lazy binding and a stack at the same place, in every run."""
    passed = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "VALGRIND_LIB") if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LD_BIND_NOW": "1", "SWIFT_DETERMINISTIC_HASHING": "1", **passed}


def build(product):
    """Builds a product of the benchmark package; returns its path."""
    command = ["swift", "build", "--package-path", PACKAGE, "-c", "release", "--quiet"]
    if subprocess.run(command + ["--product", product]).returncode != 0:
        raise Failure(f"{product} does not build")
    where = subprocess.run(command[:-1] + ["--show-bin-path"], stdout=subprocess.PIPE, text=True, check=True)
    return os.path.join(where.stdout.strip(), product)


def read_dump(path):
    """The instructions and the calls of allocators in one dump."""
    instructions = allocations = 0
    called = None
    with open(path, encoding="utf-8", errors="replace") as dump:
        for line in dump:
            if line.startswith("cfn="):
                called = re.sub(r"'\d+$", "", line[4:].strip())
            elif line.startswith("calls="):
                if called in ALLOCATORS:
                    allocations += int(line[6:].split()[0])
            elif line.startswith("totals:"):
                instructions = int(line.split()[1])
    return instructions, allocations


def count(names=(), program=None, keep=None):
    """Counts the named workloads, or all: name -> (instructions, allocations), each of one iteration.

    The program performs a workload zero, N and 2N times; callgrind writes a dump after each, numbered in order. With
    `keep`, the dumps stay in that directory.
    """
    program = program or build("count")
    with tempfile.TemporaryDirectory() as scratch:
        directory = keep or scratch
        # Callgrind of some years reads symbols but chokes on the debug information of newer compilers.
        stripped = os.path.join(scratch, "count")
        subprocess.run(["strip", "--strip-debug", "-o", stripped, program], check=True)
        command = [
            "valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={directory}/dump",
            "--compress-strings=no", "--compress-pos=no", "--dump-after=*countedSection*", "./count", *names,
        ]
        run = subprocess.run(
            command, cwd=scratch, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if run.returncode != 0:
            raise Failure(f"the workloads ended with status {run.returncode}:\n{run.stdout}{run.stderr}")
        costs = {}
        for index, line in enumerate(run.stdout.splitlines()):
            name, iterations = line.split()
            once, twice = (read_dump(f"{directory}/dump.{3 * index + part}") for part in (2, 3))
            costs[name] = tuple((b - a) / int(iterations) for a, b in zip(once, twice))
        if not costs:
            raise Failure("no workload has this name")
        return costs


def compiler():
    """The version of the compiler: thresholds depend on it."""
    text = subprocess.run(["swift", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    version = re.search(r"Swift version (\S+)", text)
    return version.group(1) if version else "unknown"


def require():
    """Installs what counting needs."""
    needs = ["valgrind=valgrind", "strip=binutils", "pkg-config=pkg-config", "liburing.pc=liburing-dev"]
    if subprocess.run([TOOLS / "require", *needs]).returncode != 0:
        raise Failure("what counting needs is not there")
    if not shutil.which("swift"):
        raise Failure("Swift 6.3 or newer is missing: see https://www.swift.org/install/linux/")
