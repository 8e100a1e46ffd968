"""The scene of every peer: a host's namespace with its servers, and a machine outside, joined by a veth pair."""

import json
import pathlib
import shutil

from ringway_tools.failure import Failure
from ringway_tools.paths import PROGRAMS
from ringway_tools.testbed.bed import Bed, congestion_control

# The host as guests and outsiders see it, and the outsider.
HOST = "10.77.5.1"
OUTSIDER = "10.77.5.2"

# Servers of the host.
BULK_PORT = 5201
DATAGRAM_PORT = 5301
ANSWER_PORT = 5302
EXCHANGE_PORT = 5400
EXCHANGE_PORTS = 16
WEB_PORT = 8080
# The server of the guest, published under the same number.
PUBLISHED_PORT = 6201

SETTINGS = (
    f"net.ipv4.tcp_congestion_control={congestion_control()}", "net.ipv4.ip_forward=1",
    # Connections come and go by the hundred thousand: those in TIME_WAIT must not take all ports away.
    "net.ipv4.tcp_tw_reuse=1", "net.ipv4.tcp_max_tw_buckets=8192", "net.ipv4.ip_local_port_range=16000 65000",
    "net.core.somaxconn=8192",
)


class Scene:
    """The bed of a whole run."""

    def __init__(self):
        self.bed = Bed()
        self.resolver_directory = None

    def __enter__(self):
        self.bed.__enter__()
        try:
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.resolver_directory:
            shutil.rmtree(self.resolver_directory, ignore_errors=True)
        self.bed.__exit__()

    def set_up(self):
        self.host = self.bed.host
        # `ip netns exec` shows this file as /etc/resolv.conf to what it starts in the namespace.
        self.resolver_directory = pathlib.Path("/etc/netns") / self.host
        self.resolver_directory.mkdir(parents=True)
        (self.resolver_directory / "resolv.conf").write_text(f"nameserver {HOST}\n")
        self.outside = self.bed.namespace("outside")
        self.bed.link(self.host, self.outside, HOST.rpartition(".")[0])
        for namespace in (self.host, self.outside):
            self.bed.setting(namespace, *SETTINGS)
        self.bed.run(["ip", "-n", self.host, "route", "add", "default", "via", OUTSIDER])
        self.datagrams = self.compiled("datagrams")
        self.exchanges = self.compiled("exchanges")
        self.count = 0

    def compiled(self, name):
        program = self.bed.directory / name
        self.bed.run(["cc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", program, PROGRAMS / f"{name}.c"])
        return program

    def guest_namespace(self):
        """A namespace for a guest, set up as every other is."""
        self.count += 1
        name = self.bed.namespace(f"guest{self.count}")
        self.bed.setting(name, *SETTINGS)
        return name

    def take_guest(self, name, process):
        """Has a guest's name stand for the namespace in which a process is."""
        self.bed.rename(name, process)
        self.bed.setting(name, *SETTINGS)

    def serve(self, arguments, namespace=None, until="listening"):
        return Serving(self.bed, self.bed.start(arguments, namespace or self.host, until=until))


class Serving:
    """A program for the time of one sample."""

    def __init__(self, bed, program):
        self.bed = bed
        self.program = program

    def __enter__(self):
        return self.program

    def __exit__(self, *_):
        self.bed.stop(self.program)


def last_object(text, who):
    """The JSON object in the last line of a program's output."""
    try:
        return json.loads(text.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failure(f"{who} reported nothing: {text.strip()[-200:]}") from None


def whole_report(text, who):
    """The JSON object that is all of a program's output."""
    try:
        return json.loads(text)
    except ValueError:
        raise Failure(f"{who} reported nothing: {text.strip()[-200:]}") from None
