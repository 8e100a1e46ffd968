"""Compares the system calls that the sandbox lets through with those that threads really make.

While COMMAND runs, by default tests of every command end to end, perf counts the system calls of all threads of this
machine. A call that a thread makes and its list lacks is an error. So is a call that a list has, that no thread makes,
and that tools/system-calls.unseen gives no reason for. Needs root, perf (Debian: linux-perf) and the release builds of
tools/test.
"""

import collections
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from ringway_tools.command import Command
from ringway_tools.paths import ROOT, TOOLS

COMMAND = Command("system-calls")
PROBE = ROOT / ".build-test/release/sandbox-probe"
REASONS = TOOLS / "system-calls.unseen"

# Suites that together start every kind of thread.
SUITES = "Publish|OwnName|AgentTests|Userland|Capture|State|ControlTests|Sandbox"
TESTS = ["swift", "test", "-c", "release", "--scratch-path", ".build-test", "-Xswiftc", "-enable-testing",
         "--skip-build", "--disable-xctest", "--filter", f"EndToEndTests.*({SUITES})"]

# A thread's name, and the list that bounds it. The first thread of a program makes other calls before it contains
# itself, and so do the guest's processes that it forks, so its calls count as seen, but none of them as missing.
LISTS = {
    "ringway-shard": ("shard", True), "ringway-names": ("names", True), "from-guest": ("frames", True),
    "to-guest": ("frames", True), "ringway-control": ("process", True), "ringway-state": ("process", True),
    "ringway-agents": ("process", True), "ringway-captur": ("process", True), "ringway-socket": ("process", True),
    "ringway": ("process", False), "ringway-agent": ("agent", False), "in-namespace": ("agent", True),
}
# Threads make these calls before they contain themselves, or while they do. A thread's clone is its creator's, whose
# return perf counts for the new thread. The C library tries clone3 first, which is refused.
STARTING = {"prctl", "seccomp", "capget", "capset", "set_robust_list", "rseq", "clone", "clone3"}

THREAD = re.compile(r"^ (.+) \((\d+)\), \d+ events")
CALL = re.compile(r"^   ([a-z_0-9]+) +\d+ ")


def declared():
    """For each list the calls that it lets through, and what needs them."""
    lists = collections.defaultdict(dict)
    for line in subprocess.run([PROBE, "lists"], check=True, capture_output=True, text=True).stdout.splitlines():
        name, call, purpose = line.split("\t")
        lists[name][call] = purpose
    return lists


def reasons():
    """The calls that need not be seen, and the reasons; "*" in place of a list stands for all of them."""
    found = {}
    for line in REASONS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, call, reason = line.split(maxsplit=2)
            found[name, call] = reason
    return found


def counted(command):
    """The names of the calls that each thread has made while the command ran, by the threads' names."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "summary"
        recorder = subprocess.Popen(
            ["perf", "trace", "--all-cpus", "--summary", "--mmap-pages", "4096", "--output", path],
            stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        if recorder.poll() is not None:
            COMMAND.fail(f"perf cannot count system calls here: {recorder.stderr.read().strip()}", 3)
        environment = os.environ | {"RINGWAY": str(ROOT / ".build/release/ringway")}
        try:
            status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        except OSError as error:
            COMMAND.fail(f"{command[0]}: {error.strerror}", 2)
        except KeyboardInterrupt:
            COMMAND.fail("interrupted", 130)
        finally:
            # Also when the program is interrupted: perf would go on counting.
            recorder.send_signal(signal.SIGINT)
            recorder.wait()
        if status != 0:
            COMMAND.fail(f"the command has failed with status {status}")
        seen, calls = collections.defaultdict(set), None
        for line in path.read_text(errors="replace").splitlines():
            if found := THREAD.match(line):
                calls = seen[found[1]]
            elif calls is not None and (found := CALL.match(line)):
                calls.add(found[1])
        return seen


def judge(seen):
    """Prints what is amiss; the number of such calls."""
    lists, known, faults = declared(), reasons(), 0
    made = collections.defaultdict(set)
    for thread, calls in seen.items():
        name, is_contained = LISTS.get(thread, (None, False))
        if name is None:
            continue
        made[name] |= calls
        for call in sorted(calls - lists[name].keys() - STARTING) if is_contained else []:
            faults += 1
            print(f"{thread} calls {call}, which the list \"{name}\" lacks")
    # Its program is the agent's.
    made["docker-proxy"] = made["agent"]
    for name, calls in lists.items():
        unseen = [call for call in calls if call not in made[name]]
        print(f"{name}: {len(calls)} calls declared, {len(calls) - len(unseen)} seen")
        for call in unseen:
            if (name, call) not in known and ("*", call) not in known:
                faults += 1
                print(f"the list \"{name}\" has {call} ({calls[call]}), which was not seen, without a reason")
        for other, call in known:
            if other == name and (call not in calls or call in made[name]):
                print(f"note: the reason for {call} of \"{name}\" is not needed")
    return faults


def main():
    words = sys.argv[1:]
    if words and words[0] in ("-h", "--help"):
        print(f"usage: tools/system-calls [COMMAND [ARGUMENT]...]\n\n{__doc__}")
        return
    if words and words[0].startswith("-"):
        COMMAND.fail(f"unknown option {words[0]}; try --help", 2)
    COMMAND.require_root()
    COMMAND.end_on_signal()
    COMMAND.require_binary(PROBE, "tools/test builds it")
    faults = judge(counted(words or TESTS))
    if faults:
        COMMAND.fail(f"{faults} calls are amiss")


if __name__ == "__main__":
    main()
