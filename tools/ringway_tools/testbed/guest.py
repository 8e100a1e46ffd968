"""A guest behind the bridge, in a bed's host namespace."""

import json
import os
import pathlib
import subprocess

from ringway_tools.failure import Failure
from ringway_tools.paths import PROGRAMS
from ringway_tools.testbed.bed import congestion_control, wait_until

FLOWS = str(PROGRAMS / "flows.py")


class Guest:
    """A guest of `ringway run`, kept alive by a `cat` until it is closed, in which programs are run by nsenter."""

    HOST4 = "192.168.127.254"
    GUEST4 = "192.168.127.2"
    HOST6 = "fd00:1:2:3::fe"
    GUEST6 = "fd00:1:2:3::2"

    def __init__(self, bed, ringway, shards, options=()):
        self.bed = bed
        self.shards = shards
        self.statistics_path = bed.directory / f"statistics-{bed.count}.json"
        self.program = bed.start_until_ready(
            lambda notice: [
                ringway, "run", "--ipv6-prefix", "fd00:1:2:3::/64", "--statistics", self.statistics_path, "--ready-fd",
                notice, "--shards", shards, *options, "--", "cat"], "the bridge", bed.host, stdin=subprocess.PIPE)
        self.bridge = self.program.process.pid
        self.inside = int(
            wait_until(
                lambda: pathlib.Path(f"/proc/{self.bridge}/task/{self.bridge}/children").read_text(),
                "the guest's process").split()[0])
        # COMMAND replaces the process that made the namespaces only after "ready".
        wait_until(
            lambda: pathlib.Path(f"/proc/{self.inside}/comm").read_text().strip() == "cat", "the guest's command")
        self.setting("net.ipv4.tcp_congestion_control", congestion_control())
        self.setting("net.ipv4.ip_local_port_range", "10000 65000")
        self.setting("net.core.somaxconn", "8192")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.process.stdin.close()
        try:
            self.program.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.bed.stop(self.program)

    def command(self, arguments):
        return ["nsenter", "-t", self.inside, "-n", "-m", "--", *arguments]

    def run(self, arguments, seconds=120.0, check=True):
        return self.bed.run(self.command(arguments), seconds=seconds, check=check)

    def start(self, arguments, until=None, **options):
        return self.bed.start(self.command(arguments), until=until, **options)

    def setting(self, name, value):
        self.run(["sysctl", "-qw", f"{name}={value}"])

    def statistics(self):
        return json.loads(self.statistics_path.read_text())

    def await_statistics(self, condition, what, seconds=30.0):
        return wait_until(lambda: condition(self.statistics()), what, seconds)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.bridge}/fd"))

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.bridge}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Failure("the bridge has ended")


def flows(text):
    """The report that flows.py prints last."""
    return json.loads(text.strip().splitlines()[-1])
