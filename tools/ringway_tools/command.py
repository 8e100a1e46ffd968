"""The common part of the programs in tools/: the parser, and the checks of root, binaries and packages."""

import argparse
import os
import signal
import subprocess
import sys

from ringway_tools.failure import Failure
from ringway_tools.paths import RINGWAY, ROOT, TOOLS

# Programs of the system that an ordinary user's PATH may leave out.
SYSTEM_PROGRAMS = ":/usr/local/sbin:/usr/sbin:/sbin"

BUILDS = {
    "ringway": "swift build -c release --product ringway",
    "ringway-agent": "swift build -c release --product ringway-agent",
}


class Command:
    """A program of tools/, by the name with which its messages begin."""

    def __init__(self, name):
        self.name = name

    def parser(self, description, **options):
        return argparse.ArgumentParser(
            prog=f"tools/{self.name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
            **options)

    def complain(self, text):
        print(f"{self.name}: {text}", file=sys.stderr)

    def fail(self, text, status=1):
        """Ends the program with a message."""
        self.complain(text)
        sys.exit(status)

    def require_root(self):
        if os.geteuid() != 0:
            self.fail("root is needed, for namespaces")

    def require_binary(self, path, build=BUILDS["ringway"]):
        """Fails unless a binary is there; `build` is the command that makes it."""
        if not os.access(path, os.X_OK):
            self.fail(f"{path} is missing: {build}")

    def require_packages(self, needs):
        """Installs what is missing of a list of COMMAND=PACKAGE, and puts the system's programs on the PATH."""
        os.environ["PATH"] += SYSTEM_PROGRAMS
        if needs and subprocess.run([TOOLS / "require", *needs], check=False).returncode != 0:
            sys.exit(1)

    def run(self, body, status=1):
        """Runs the program and exits with the status that it returns; `status` is that of a failure."""
        try:
            sys.exit(body())
        except (Failure, subprocess.CalledProcessError) as failure:
            self.fail(failure, status)

    @staticmethod
    def end_on_signal():
        """SIGTERM ends the program as Ctrl-C does: its set-up is removed."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def add_ringway_option(parser, default=RINGWAY):
    parser.add_argument("--ringway", default=str(default), help="the binary to judge")


def add_write_option(parser, path, text="write the results as a table", note=""):
    """--write [FILE]: where the table goes; `path` in perf/ unless a file is named."""
    parser.add_argument("--write", nargs="?", const=str(path), metavar="FILE",
                        help=f"{text} (default: {path.relative_to(ROOT)}){note}")
