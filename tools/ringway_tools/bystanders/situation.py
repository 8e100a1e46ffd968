"""One situation of a row: a daemon, the good guest, its neighbour, and the figures."""

import dataclasses
import http.client
import os
import pathlib
import time

from ringway_tools.bench.machine import process_seconds
from ringway_tools.bench.scene import HOST as HOST_OUTSIDE
from ringway_tools.bystanders.good_guest import ADDRESS, GoodGuest
from ringway_tools.bystanders.ground import NAME_PORT
from ringway_tools.bystanders.raw_guest import NETWORK, RawGuest, Refused
from ringway_tools.paths import module
from ringway_tools.programs.control import Connection
from ringway_tools.testbed.daemon import Daemon


# Where clients outside reach the hostile guest and the good one.
HOSTILE_PORT = 8_081
GOOD_PORT = 8_082
HOSTILE_NUMBER = 100
NEWCOMERS = 3
FIRST_NEWCOMER = 200
TIMEOUT = 2.0


@dataclasses.dataclass
class Figures:
    """The figures beside one neighbour."""

    # Microseconds; None where nothing was answered.
    p50: float
    p99: float
    # Per second.
    connects: float
    # Requests and connects without an answer within a second, or with a refusal.
    failed_requests: int
    failed_connects: int
    # Milliseconds of the slowest, and how many were refused; None where none have come.
    newcomer: float
    newcomers_refused: int
    # Milliseconds; None where it does not answer.
    control: float
    # Processor seconds a second, of the daemon and of the one beside the good guest.
    daemon_share: float
    neighbour_share: float
    # None where the daemon has ended.
    peak_mebibytes: float
    # The extent that the neighbour reports for its attack.
    reached: str
    # Why the daemon has ended, if it has.
    ended: str = ""


def newcomers(path):
    """Guests that come one after another and ask for the gateway: (milliseconds of the slowest, how many in vain)."""
    slowest, refused = 0.0, 0
    for number in range(NEWCOMERS):
        start = time.monotonic()
        try:
            RawGuest(path, FIRST_NEWCOMER + number, TIMEOUT).close()
        except Refused:
            refused += 1
        slowest = max(slowest, (time.monotonic() - start) * 1_000)
    return slowest, refused


def control_time(path):
    """Milliseconds of a request to the control socket; None where it is not answered in time."""
    start = time.monotonic()
    connection = Connection(path, TIMEOUT)
    try:
        connection.request("GET", "/v1/status")
        if connection.getresponse().status != 200:
            return None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return (time.monotonic() - start) * 1_000


class Situation:
    """A daemon with its limits and the good guest, for the time of one measurement."""

    count = 0

    def __init__(self, ground, ringway, row, seconds):
        Situation.count += 1
        self.ground = ground
        self.bed = ground.bed
        self.row = row
        self.seconds = seconds
        self.link = str(self.bed.directory / "guests")
        self.agents = str(self.bed.directory / "agents")
        self.control = str(self.bed.directory / "control")
        self.tap = f"good{Situation.count}"
        links = [f"qemu:{self.link}", f"unix:{self.agents}"] + ([f"tap:{self.tap}"] if row.link == "tap" else [])
        launcher = ["prlimit", f"--nofile={row.descriptors}:{row.descriptors}"]
        if row.address_space:
            launcher.append(f"--as={row.address_space}")
        self.daemon = Daemon(self.bed, ringway, links, [
            "--no-state", "--control", self.control, "--network", f"{NETWORK}.0/24", "--dns", f"127.0.0.1:{NAME_PORT}",
            "-p", f"{ADDRESS}={GOOD_PORT}:5400", "-p", f"{NETWORK}.{HOSTILE_NUMBER}={HOSTILE_PORT}:80", *row.options],
            launcher)
        self.neighbour = None

    def measure(self, beside):
        """Beside None, "hostile", or a share of a processor that is burnt."""
        server = self.ground.serve(self.ground.host)
        guest = None
        self.ground.raw_pings(self.row.raw_pings)
        try:
            with self.daemon:
                guest = GoodGuest(self.ground, Situation.count, self.row.link, self.link)
                guest.attach(self.tap)
                guest.start_asking(self.row.asks)
                self.start_neighbour(beside, guest)
                return self.figures(guest)
        finally:
            if self.neighbour:
                self.bed.stop(self.neighbour)
            if guest:
                guest.end()
            self.bed.stop(server)

    def start_neighbour(self, beside, guest):
        if beside is None:
            return
        arguments = ["burn", beside]
        if beside == "hostile":
            arguments = [self.row.name, self.link, self.agents, self.control, guest.mac, ADDRESS, HOST_OUTSIDE,
                         HOSTILE_PORT, HOSTILE_NUMBER]
        self.neighbour = self.bed.start(
            [*module("bystanders.attack"), *arguments], self.ground.outside, until="attacking")

    def neighbour_seconds(self):
        # Of its own process only, without the sink.
        if not self.neighbour:
            return 0.0
        try:
            fields = pathlib.Path(f"/proc/{self.neighbour.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def figures(self, guest):
        daemon = self.daemon.program.process
        start, used, beside = time.monotonic(), process_seconds([daemon.pid]), self.neighbour_seconds()
        guest.forget()
        time.sleep(self.seconds)
        requests = guest.asked()
        if self.row.published:
            connects = guest.connects(self.ground.outside, HOST_OUTSIDE, GOOD_PORT, self.seconds)
        else:
            connects = guest.connect(self.seconds)
        elapsed = time.monotonic() - start
        used, beside = process_seconds([daemon.pid]) - used, self.neighbour_seconds() - beside
        # Under a limit of memory they would be further neighbours.
        newcomer, refused = newcomers(self.link) if self.row.judges_newcomers else (None, None)
        control = control_time(self.control)
        answered = requests["answers"] > 0
        reached = self.neighbour.text.strip().removeprefix("attacking").strip() if self.neighbour else ""
        return Figures(
            p50=requests["p50"] if answered else None, p99=requests["p99"] if answered else None,
            connects=connects["answers"] / connects["seconds"], failed_requests=requests["failures"],
            failed_connects=connects["failures"], newcomer=newcomer, newcomers_refused=refused, control=control,
            daemon_share=max(0.0, used / elapsed), neighbour_share=max(0.0, beside / elapsed),
            peak_mebibytes=self.peak(), reached=reached, ended=self.end_of_daemon())

    def peak(self):
        try:
            text = pathlib.Path(f"/proc/{self.daemon.program.process.pid}/status").read_text()
        except OSError:
            text = ""
        return next((int(line.split()[1]) / 1_024 for line in text.splitlines() if line.startswith("VmHWM:")), None)

    def end_of_daemon(self):
        status = self.daemon.program.process.poll()
        if status is None:
            return ""
        lines = self.daemon.program.text.strip().splitlines() or [""]
        words = next((line for line in lines if "error:" in line.lower()), lines[-1])
        return f"the daemon ended with status {status}: {' '.join(words.split())[-120:]}"
