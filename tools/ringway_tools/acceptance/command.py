"""Full-size acceptance: PASS or FAIL for each case of a suite.

usage: tools/acceptance [--quick]                 every suite, one after the other
       tools/acceptance SUITE [CASE...] [OPTION...]
       tools/acceptance --list                    the suites and their cases
       tools/acceptance SUITE --help              a suite's options and what its cases are

Needs root and release builds (swift build -c release). Everything happens in namespaces of its own and in a temporary
directory, which are gone at the end. Exit status: 0 when every case passes, 1 when one fails, 2 for a wrong command
line.

suites
"""

import signal
import subprocess
import sys

from ringway_tools.acceptance.agent_suite import AgentSuite
from ringway_tools.acceptance.attach_suite import AttachSuite
from ringway_tools.acceptance.contained_suite import ContainedSuite
from ringway_tools.acceptance.docker_suite import DockerSuite
from ringway_tools.acceptance.limits_suite import LimitsSuite
from ringway_tools.acceptance.package_suite import PackageSuite
from ringway_tools.acceptance.published_ports_suite import PublishedPortsSuite
from ringway_tools.acceptance.tap_suite import TapSuite
from ringway_tools.acceptance.vm_suite import VMSuite
from ringway_tools.command import Command
from ringway_tools.paths import TOOLS

SUITES = {
    suite.name: suite for suite in [
        TapSuite(), AgentSuite(), AttachSuite(), DockerSuite(), PackageSuite(), VMSuite(), PublishedPortsSuite(),
        LimitsSuite(), ContainedSuite()]
}
# The suites that run by default, and whether they have --quick.
ALL = [
    (["tap"], True), (["agent"], True), (["attach"], False), (["docker"], True), (["docker", "--proxy"], True),
    (["package"], False), (["vm"], True), (["published-ports"], False), (["limits"], False),
    (["contained"], False),
]


def summaries():
    return "".join(f"  {suite.name:<16} {suite.summary}\n" for suite in SUITES.values())


def show_cases():
    for suite in SUITES.values():
        print(f"{suite.name:<16} {suite.summary}")
        print(f"{'':<16} {', '.join(suite.cases())}")


def run_all(quick):
    """Every suite in a process of its own, so that none leaves anything to the next; whether all have passed."""
    results = []
    child = None
    # The terminal's Ctrl-C reaches the suite too, which ends by itself; a SIGTERM is passed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: child and child.terminate())
    for words, knows_quick in ALL:
        words = [*words, *(["--quick"] if quick and knows_quick else [])]
        print(f"\n== {' '.join(words)}", flush=True)
        child = subprocess.Popen(
            [sys.executable, "-B", TOOLS / "acceptance", *words],
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        status = child.wait()
        results.append((" ".join(words), status))
        if status < 0 or status > 2:
            break
    print("\n== summary")
    for words, status in results:
        print(f"{'PASS' if status == 0 else 'FAIL'}  {words}" + (f", status {status}" if status not in (0, 1) else ""))
    return all(status == 0 for _, status in results)


def main():
    words = sys.argv[1:]
    if words and not words[0].startswith("-"):
        if words[0] not in SUITES:
            Command("acceptance").fail(f"there is no suite \"{words[0]}\": {', '.join(SUITES)}", 2)
        SUITES[words[0]].run(words[1:])
        return
    parser = Command("acceptance").parser(__doc__ + summaries(), usage="see below")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--list", action="store_true", help="the suites and their cases")
    arguments = parser.parse_args()
    if arguments.list:
        show_cases()
    else:
        sys.exit(0 if run_all(arguments.quick) else 1)
