"""Where things of the repository are."""

import pathlib
import subprocess
import sys

TOOLS = pathlib.Path(__file__).resolve().parent.parent
ROOT = TOOLS.parent
PERF = ROOT / "perf"
# Programs that run inside namespaces and guests.
PROGRAMS = TOOLS / "ringway_tools/programs"

RINGWAY = ROOT / ".build/release/ringway"
AGENT = ROOT / ".build/release/ringway-agent"
# The agent as tools/agent builds it: one static file.
STATIC_AGENT = ROOT / ".build/ringway-agent"


def module(name):
    """The command line that runs a module of this package as a program, in any namespace and directory."""
    return ["env", f"PYTHONPATH={TOOLS}", sys.executable, "-B", "-m", f"ringway_tools.{name}"]


def git(*arguments):
    """The output of git; empty outside a repository."""
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, cwd=ROOT, check=False).stdout.strip()


def commit():
    """The commit that is checked out, in short."""
    return git("rev-parse", "--short", "HEAD") or "unknown"
