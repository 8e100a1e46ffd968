"""Ringway, pasta and slirp4netns: programs that serve a namespace through a TAP device of their own."""

import json
import os
import pathlib
import socket

from ringway_tools.bench.peer import OURS, ProgramPeer
from ringway_tools.bench.scene import PUBLISHED_PORT
from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until


def await_ready(ready, program, expected, seconds=10.0):
    """Waits for a line on the pipe by which a program reports that it is ready."""
    os.set_blocking(ready, False)
    text = b""

    def said():
        nonlocal text
        try:
            text += os.read(ready, 64)
        except BlockingIOError:
            pass
        program.require_running()
        return expected in text

    try:
        wait_until(said, f"\"{expected.decode()}\" from {program.name}", seconds)
    finally:
        os.close(ready)


def child(program, name):
    """The process of that name among a program's children, once it has become that."""
    process = program.process.pid
    for number in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split():
        if pathlib.Path(f"/proc/{number}/comm").read_text().strip() == name:
            return number
    return None


class Ringway(ProgramPeer):
    """With its default options, except the number of shards if one is given."""

    kind = OURS
    runs = True

    def __init__(self, path, shards, name="ringway", title="Ringway", options=()):
        super().__init__(name, title, str(path))
        self.options = [*(["--shards", shards] if shards else []), *options]

    def connect(self, scene, link, publishes):
        # Loopback clients of a published port are spliced into namespaces of Ringway's own alone, those of `run`.
        order, command = ["attach", "--netns", f"/run/netns/{link.guest}"], []
        if publishes:
            order, command = ["run", "-p", f"{PUBLISHED_PORT}:{PUBLISHED_PORT}"], ["--", "sleep", "infinity"]
        ready, notice = os.pipe()
        program = scene.bed.start(
            [self.path, *order, "--ready-fd", notice, *self.options, *command], scene.host, keep=(notice,))
        os.close(notice)
        link.programs.append(program)
        await_ready(ready, program, b"ready")
        if publishes:
            scene.take_guest(link.guest, wait_until(lambda: child(program, "sleep"), "the guest's command"))
        link.resolver = "192.168.127.1"

    def command(self, arguments):
        return [self.path, "run", *self.options, "--", *arguments]


class RingwayOnEpoll(Ringway):
    """As it runs where io_uring is missing or forbidden."""

    def __init__(self, path, shards):
        super().__init__(path, shards, "ringway-epoll", "Ringway on epoll", ["--reactor", "epoll"])


class Pasta(ProgramPeer):
    """pasta on a namespace, set up by itself; ports are published as it does by default, spliced on loopback."""

    package = "passt"
    # A socket and a timer.
    descriptors_per_flow = 2
    RESOLVER = "10.88.0.53"

    def __init__(self, name, title, path, mtu, queue=None):
        super().__init__(name, title, path, mtu)
        self.queue = queue
        # One is enough, for a command's start.
        self.runs = mtu == 65520 and queue is None

    @classmethod
    def variants(cls, name, path):
        return [
            cls(f"{name}-1500", f"{name}, MTU 1500", path, 1500),
            cls(f"{name}-65520", f"{name}, MTU 65520", path, 65520),
            cls(f"{name}-65520-queue", f"{name}, MTU 65520, txqueuelen 20000", path, 65520, 20000),
        ]

    def connect(self, scene, link, publishes):
        bed = scene.bed
        # Started by root it would change to the user "nobody", which may not open the namespace.
        program = bed.start(
            [self.path, "--runas", "0", "--foreground", "--ipv4-only", "--netns-only", "--config-net",
             "--mtu", self.mtu, "--ns-ifname", "eth0", "--address", "10.88.0.2", "--netmask", "24",
             "--gateway", "10.88.0.1", "--dns-forward", self.RESOLVER,
             "--tcp-ports", PUBLISHED_PORT if publishes else "none", "--udp-ports", "none", "--tcp-ns", "none",
             "--udp-ns", "none", "--netns", f"/run/netns/{link.guest}"],
            scene.host)
        link.programs.append(program)

        def is_up():
            program.require_running()
            return "default" in bed.run(["ip", "-n", link.guest, "route"])

        wait_until(is_up, "pasta's default route", 10)
        if self.queue:
            bed.run(["ip", "-n", link.guest, "link", "set", "eth0", "txqueuelen", self.queue])
        link.resolver = self.RESOLVER

    def command(self, arguments):
        return [self.path, "--config-net", "--", *arguments]


class Slirp(ProgramPeer):
    package = "slirp4netns"

    def __init__(self, mtu):
        super().__init__(f"slirp4netns-{mtu}", f"slirp4netns, MTU {mtu}", "slirp4netns", mtu)

    def connect(self, scene, link, publishes):
        ready, notice = os.pipe()
        interface = scene.bed.directory / f"slirp-{scene.count}.sock"
        program = scene.bed.start(
            [self.path, "--configure", f"--mtu={self.mtu}", "--netns-type=path", f"--ready-fd={notice}",
             f"--api-socket={interface}", f"/run/netns/{link.guest}", "tap0"], scene.host, keep=(notice,))
        os.close(notice)
        link.programs.append(program)
        await_ready(ready, program, b"1")
        if publishes:
            self.publish(interface)
        link.resolver = "10.0.2.3"

    @staticmethod
    def publish(interface):
        request = {"execute": "add_hostfwd", "arguments": {
            "proto": "tcp", "host_addr": "0.0.0.0", "host_port": PUBLISHED_PORT, "guest_port": PUBLISHED_PORT}}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(interface))
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096).decode()
        if "error" in answer:
            raise Failure(f"slirp4netns publishes nothing: {answer}")
