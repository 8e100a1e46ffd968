"""gvproxy and vpnkit: programs on the host, each with a companion in the guest that carries frames over a socket."""

import http.client
import json
import pathlib
import socket

from ringway_tools.bench.peer import ProgramPeer, from_environment
from ringway_tools.bench.scene import PUBLISHED_PORT
from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until


class Companion(ProgramPeer):
    """A peer of two programs; both are counted."""

    def __init__(self, name, title, path, companion):
        super().__init__(name, title, path)
        self.companion = companion

    def absence(self):
        own = super().absence()
        if own:
            return own
        if not self.companion or not pathlib.Path(self.companion).exists():
            return f"its companion in the guest is not present: {self.companion or 'not named'}"
        return None

    @staticmethod
    def await_socket(program, path):
        wait_until(lambda: program.require_running() and path.exists(), f"{program.name}'s socket", 10)

    @staticmethod
    def tap(bed, guest, name, hardware, address, gateway):
        """A TAP device that is set up already, so that nothing depends on a DHCP client."""
        commands = (
            ["tuntap", "add", name, "mode", "tap"], ["link", "set", name, "address", hardware],
            ["addr", "add", address, "dev", name], ["link", "set", name, "mtu", "1500", "up"],
            ["route", "add", "default", "via", gateway],
        )
        for command in commands:
            bed.run(["ip", "-n", guest, *command])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


class Gvproxy(Companion):
    def __init__(self):
        super().__init__(
            "gvproxy-1500", "gvproxy, MTU 1500", from_environment("RINGWAY_BENCH_GVPROXY"),
            from_environment("RINGWAY_BENCH_GVFORWARDER"))

    def connect(self, scene, link, publishes):
        bed = scene.bed
        path = bed.directory / f"gvproxy-{scene.count}.sock"
        program = bed.start(
            [self.path, "-listen", f"unix://{path}", "-mtu", self.mtu, "-ssh-port", -1], scene.host)
        link.programs.append(program)
        self.await_socket(program, path)
        self.tap(bed, link.guest, "tap0", "5a:94:ef:e4:0c:ee", "192.168.127.2/24", "192.168.127.1")
        companion = bed.start(
            [self.companion, "-preexisting", "-iface", "tap0", "-mtu", self.mtu, "-url", f"unix://{path}"], link.guest)
        link.programs.append(companion)
        bed.run(["ping", "-c", 1, "-w", 10, "192.168.127.1"], link.guest, seconds=15)
        link.resolver = "192.168.127.1"
        if publishes:
            connection = UnixConnection(path)
            connection.request("POST", "/services/forwarder/expose", json.dumps({
                "local": f"0.0.0.0:{PUBLISHED_PORT}", "remote": f"192.168.127.2:{PUBLISHED_PORT}", "protocol": "tcp"}))
            answer = connection.getresponse()
            if answer.status != 200:
                raise Failure(f"gvproxy publishes nothing: {answer.status} {answer.read()[:200]}")


class Vpnkit(Companion):
    # Its ports are published over 9P, by a program that runs in the guest beside it.
    publishes = False

    def __init__(self):
        super().__init__(
            "vpnkit-1500", "vpnkit, MTU 1500", from_environment("RINGWAY_BENCH_VPNKIT"),
            from_environment("RINGWAY_BENCH_VPNKIT_TAP"))

    def connect(self, scene, link, publishes):
        bed = scene.bed
        path = bed.directory / f"vpnkit-{scene.count}.sock"
        program = bed.start([self.path, "--ethernet", path, "--mtu", self.mtu], scene.host)
        link.programs.append(program)
        self.await_socket(program, path)
        companion = bed.start([self.companion, "--nofork", "--path", path, "--tap", "eth1"], link.guest)
        link.programs.append(companion)
        wait_until(
            lambda: companion.require_running() and
            "eth1" in bed.run(["ip", "-n", link.guest, "-o", "link"]), "vpnkit's interface", 10)
        for command in (
            ["addr", "add", "192.168.65.3/24", "dev", "eth1"], ["link", "set", "eth1", "mtu", self.mtu, "up"],
            ["route", "add", "default", "via", "192.168.65.1"],
        ):
            bed.run(["ip", "-n", link.guest, *command])
        bed.run(["ping", "-c", 1, "-w", 10, "192.168.65.1"], link.guest, seconds=15)
        link.resolver = "192.168.65.1"
