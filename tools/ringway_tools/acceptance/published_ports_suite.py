"""Ten thousand published ports, as one range and as so many forwards."""

import json
import resource
import socket
import statistics
import struct
import subprocess
import tempfile
import time

from ringway_tools.acceptance.suite import Suite
from ringway_tools.failure import Failure
from ringway_tools.paths import PERF
from ringway_tools.programs.control import ask

MAC = bytes.fromhex("525400000001")
FIRST = 20_000
MILLISECONDS = 100
BYTES = 10_000_000


class Service:
    """A "ringway serve" with one guest."""

    def __init__(self, program, directory):
        self.path = f"{directory}/control"
        self.guest, link = socket.socketpair()
        self.process = subprocess.Popen(
            [program, "serve", "--no-state", "--listen", f"fd:{link.fileno()}", "--control", self.path],
            pass_fds=[link.fileno()], stderr=subprocess.DEVNULL)
        link.close()
        # Something from the guest: who has 192.168.127.1?
        question = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, MAC, bytes(4), bytes(6), bytes([192, 168, 127, 1]))
        frame = b"\xff" * 6 + MAC + b"\x08\x06" + question
        self.guest.sendall(struct.pack("!I", len(frame)) + frame)
        try:
            self.await_guest()
        except BaseException:
            self.end()
            raise

    def await_guest(self):
        deadline = time.monotonic() + 10
        while not self.has_guest():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Failure("the guest is not attached")
            time.sleep(0.01)

    def has_guest(self):
        try:
            return bool(ask(self.path, "GET", "/v1/guests").json()["guests"])
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def end(self):
        self.process.terminate()
        self.process.wait()

    def timed(self, expected, *request):
        """The milliseconds that a request took, and its response."""
        start = time.perf_counter()
        answer = ask(self.path, *request)
        elapsed = (time.perf_counter() - start) * 1_000
        if answer.status != expected:
            raise Failure(f"{request[0]} {request[1]}: {answer.status} {answer.body[:300].decode()}")
        return elapsed, answer

    def memory(self):
        """Bytes of the process's own memory, once two readings agree."""
        last = None
        for _ in range(100):
            with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
                found = next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))
            if found == last:
                break
            last = found
            time.sleep(0.01)
        return found


def measure(service, add, remove, number):
    """Adds and removes `number` times; fails when a median is beyond its bound."""
    added, removed, most = [], [], 0
    for _ in range(number):
        elapsed, answer = service.timed(*add)
        added.append(elapsed)
        most = max(most, service.memory())
        removed.append(service.timed(*remove(answer))[0])
    text = (f"in force in {statistics.median(added):.0f} ms (at worst {max(added):.0f}), gone in "
            f"{statistics.median(removed):.0f} ms (at worst {max(removed):.0f}), {most / 1e6:.1f} MB of memory")
    if statistics.median(added) >= MILLISECONDS or statistics.median(removed) >= MILLISECONDS or most >= BYTES:
        raise Failure(f"{text}: wanted are {MILLISECONDS} ms and {BYTES / 1e6:.0f} MB at the most")
    return text


class PublishedPortsSuite(Suite):
    name = "published-ports"
    summary = "ten thousand published ports: time and memory, as one range and one by one"
    description = """Publishing many ports and removing them again: PASS or FAIL for one range and for so many forwards.

"ringway serve" runs beside a guest that is a socket of this program, so that each port is listened on. Timed is a
request on the control socket, from its first byte to the last of the response. Memory is the process's own (RssAnon)
once the response is written. Needs a release build (swift build -c release --product ringway).
"""
    title = "Published ports"
    page = PERF / "published-ports.md"
    setting = "ports"
    needs_root = False

    def cases(self):
        return ["one range", "single forwards"]

    def add_options(self, parser):
        parser.add_argument("--count", type=int, default=10_000, help="ports (default: 10000)")
        parser.add_argument("--rounds", type=int, default=5, help="rounds of each (default: 5)")

    def conditions_of(self, arguments):
        return f"that client and network share; medians of {arguments.rounds} rounds in one process"

    def judge(self, arguments, report):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        count = arguments.count
        one = json.dumps({"hostPort": FIRST, "guestPort": 1_000, "count": count}).encode()
        forwards = [{"hostPort": FIRST + index, "guestPort": 1_000 + index} for index in range(count)]
        many = json.dumps({"forwards": forwards}).encode()
        with tempfile.TemporaryDirectory() as directory:
            for name, add, remove in [
                    ("one range", (201, "POST", "/v1/forwards", one),
                     lambda answer: (204, "DELETE", f"/v1/forwards/{answer.json()['id']}")),
                    ("single forwards", (200, "PUT", "/v1/forwards", many),
                     lambda answer: (200, "PUT", "/v1/forwards", b'{"forwards":[]}'))]:
                if self.wants(arguments, name):
                    service = Service(arguments.ringway, directory)
                    try:
                        report.judge(name, count, lambda: measure(service, add, remove, arguments.rounds))
                    finally:
                        service.end()
