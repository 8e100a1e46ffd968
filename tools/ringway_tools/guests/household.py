"""A daemon with many guests, each a namespace with a kernel's TCP on a TAP of the daemon's."""

import json
import pathlib
import signal
import subprocess
import time

from ringway_tools.bench.scene import EXCHANGE_PORT, last_object
from ringway_tools.bystanders.ground import NAME_PORT, SETTINGS
from ringway_tools.bystanders.raw_guest import GATEWAY, HOST, NETWORK, RawGuest, Refused
from ringway_tools.failure import Failure
from ringway_tools.programs.control import ask
from ringway_tools.testbed.bed import wait_until
from ringway_tools.testbed.daemon import Daemon

# The last part of the address of the first guest that comes by the socket.
FIRST_NEWCOMER = 200
NEWCOMERS = 5


class Guest:
    """A namespace behind one of the daemon's TAPs."""

    def __init__(self, ground, tap, number):
        self.ground = ground
        self.bed = ground.bed
        self.tap = tap
        self.namespace = self.bed.namespace(f"guest{number}")
        self.bed.setting(self.namespace, *SETTINGS)
        self.bed.run(["ip", "-n", ground.host, "link", "set", tap, "netns", self.namespace, "name", "eth0"])
        found = json.loads(self.bed.run(["ip", "-n", self.namespace, "-j", "link", "show", "eth0"]))
        self.mac = found[0]["address"]

    def attach(self, address):
        for command in (
            ["addr", "add", f"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"],
            ["route", "replace", "default", "via", GATEWAY],
        ):
            self.bed.run(["ip", "-n", self.namespace, *command])
        wait_until(
            lambda: " 0% packet loss" in self.bed.run(
                ["ping", "-c", 1, "-W", 1, HOST], self.namespace, check=False), f"the network of {self.tap}", 15)

    def start(self, arguments, **options):
        return self.bed.start(arguments, self.namespace, **options)

    def start_asking(self):
        """A request each millisecond."""
        return self.start([self.ground.visitor, "ask", HOST, EXCHANGE_PORT], until="running")


def forget(asker):
    """Has an asker count anew."""
    asker.process.send_signal(signal.SIGUSR1)


def asked(bed, asker):
    """The asker's counts since `forget`: answers, failures, and microseconds."""
    asker.process.terminate()
    asker.process.wait(5)
    counts = last_object(asker.text, "a guest that asks")
    bed.stop(asker)
    return counts


def status(process, name):
    """A number of /proc/PID/status."""
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise Failure(f"the daemon has no {name}")


def switches(process):
    """Context switches of all threads so far."""
    total = 0
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        try:
            text = (task / "status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)
    return total


def stateless(ringway):
    """Keeps no state, for a build that would keep one."""
    text = subprocess.run([ringway, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    return ["--no-state"] if "--no-state" in text else []


class Household:
    """The daemon of one measurement."""

    count = 0

    def __init__(self, ground, ringway, size, options=()):
        Household.count += 1
        self.ground = ground
        self.bed = ground.bed
        self.size = size
        self.link = str(self.bed.directory / "guests")
        self.control = str(self.bed.directory / "control")
        self.taps = [f"r{Household.count}g{number}" for number in range(size)]
        self.daemon = Daemon(
            self.bed, ringway, [f"qemu:{self.link}", *(f"tap:{tap}" for tap in self.taps)],
            [*stateless(ringway), "--control", self.control, "--network", f"{NETWORK}.0/24", "--dns",
             f"127.0.0.1:{NAME_PORT}", *options])
        self.guests = []

    def __enter__(self):
        self.daemon.start()
        try:
            self.guests = [Guest(self.ground, tap, number) for number, tap in enumerate(self.taps)]
            addresses = {guest["mac"]: guest["ipv4"] for guest in ask(self.control, "GET", "/v1/guests").json()["guests"]}
            for guest in self.guests:
                guest.attach(addresses[guest.mac])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.bed.stop(self.daemon.program)
        for guest in self.guests:
            self.bed.remove(guest.namespace)

    @property
    def process(self):
        return self.daemon.program.process.pid

    def threads(self):
        return len(list(pathlib.Path(f"/proc/{self.process}/task").iterdir()))

    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process}/fd").iterdir()))

    def memory(self):
        """Bytes that are resident, and of address space."""
        return status(self.process, "VmRSS") * 1_024, status(self.process, "VmSize") * 1_024

    def start_up(self):
        """Milliseconds until a guest that comes has an answer of the gateway's: of the middle one of some."""
        times = []
        for number in range(NEWCOMERS):
            begun = time.monotonic()
            try:
                RawGuest(self.link, FIRST_NEWCOMER + number).close()
            except Refused:
                raise Failure("a guest that comes is not let in") from None
            times.append((time.monotonic() - begun) * 1_000)
        return sorted(times)[NEWCOMERS // 2]
