"""Namespaces of other programs, with Ringway attached."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

from ringway_tools.failure import Failure
from ringway_tools.paths import PROGRAMS
from ringway_tools.testbed.bed import wait_until

HOST_NAME = "host.ringway.internal"
SIZE = 1 << 16


class Kind:
    """A namespace that exists already, a way to run programs in it, and the options by which `attach` finds it."""

    name = ""

    def __init__(self, bed):
        self.bed = bed

    def options(self):
        raise NotImplementedError

    def inside(self, arguments):
        raise NotImplementedError

    def run(self, arguments, seconds=30.0):
        return self.bed.run(self.inside(arguments), self.bed.host, seconds=seconds)

    def end(self):
        """Ends programs that the bed has not started."""

    def sockets(self):
        """The kernel's tables of the namespace's TCP sockets."""
        return self.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"])


class NamedNamespace(Kind):
    """One of `ip netns`, by its name, with a resolv.conf written for it."""

    name = "netns"

    def __init__(self, bed):
        super().__init__(bed)
        self.namespace = bed.namespace("named")

    def options(self):
        return ["--netns", self.namespace, "--write-netns-resolv"]

    def inside(self, arguments):
        return ["ip", "netns", "exec", self.namespace, *map(str, arguments)]


class ProcessNamespaces(Kind):
    """Network and mount namespaces of a process, as a supervisor makes them."""

    name = "process"

    def __init__(self, bed):
        super().__init__(bed)
        holder = bed.start(
            ["unshare", "--net", "--mount", "sh", "-c", "ip link set lo up; echo up; exec sleep infinity"],
            until="up")
        self.process = holder.process.pid

    def options(self):
        return ["--pid", str(self.process)]

    def inside(self, arguments):
        return ["nsenter", "-t", str(self.process), "-n", "-m", "--", *map(str, arguments)]


class RootlessContainer(Kind):
    """A container of podman's, run by an ordinary user, without a network of its own."""

    name = "container"
    USER = 23456

    def __init__(self, bed):
        super().__init__(bed)
        if shutil.which("podman") is None or shutil.which("busybox") is None:
            raise Failure("podman or a static busybox is not present")
        root = bed.directory / "rootfs"
        for folder in ("bin", "etc", "proc", "sys", "dev", "tmp", "run"):
            (root / folder).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        for applet in ("sh", "sleep", "nslookup", "ip", "cat"):
            os.symlink("busybox", root / "bin" / applet)
        (root / "etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
        home = bed.directory / "home"
        home.mkdir()
        subprocess.run(["chown", "-R", f"{self.USER}:{self.USER}", home, root], check=True)
        pidfile = home / "pid"
        command = (
            f"export HOME={home} XDG_RUNTIME_DIR={home}; exec podman --cgroup-manager=cgroupfs --events-backend=file "
            f"run --rm --network none --security-opt seccomp=unconfined --cgroups=disabled --pidfile {pidfile} "
            f"--rootfs {root} sleep 600")
        # An account that this machine lacks: files of a mount namespace of its own say that it has one.
        accounts = (
            # One hierarchy of control groups, which is what podman's runtime takes.
            f"mount -t cgroup2 none /sys/fs/cgroup && mount --bind {home}/passwd /etc/passwd && "
            f"mount --bind {home}/ids /etc/subuid && mount --bind {home}/ids /etc/subgid && exec setpriv --reuid={self.USER} --regid={self.USER} "
            f"--clear-groups sh -c '{command}'")
        (home / "passwd").write_text(
            pathlib.Path("/etc/passwd").read_text() + f"rings:x:{self.USER}:{self.USER}::{home}:/bin/sh\n")
        (home / "ids").write_text("rings:200000:65536\n")
        for path in ("/etc/subuid", "/etc/subgid"):
            if not os.path.exists(path):
                raise Failure(f"{path} is missing (package uidmap)")
        self.podman = bed.start(["unshare", "--mount", "sh", "-c", accounts])
        wait_until(lambda: self.podman.require_running() and pidfile.exists() and pidfile.read_text().strip(),
                   "a container of podman's")
        self.process = int(pidfile.read_text())

    def options(self):
        return ["--pid", str(self.process)]

    def end(self):
        # The container, podman and its monitor: every process of this user, which exists on no machine.
        subprocess.run(["pkill", "-KILL", "-u", str(self.USER)], check=False)

    def sockets(self):
        # The container's own /proc is for processes of its own.
        return "".join(pathlib.Path(f"/proc/{self.process}/net/{table}").read_text() for table in ("tcp", "tcp6"))

    def inside(self, arguments):
        return ["nsenter", "-t", str(self.process), "-U", "-n", "-m", "--preserve-credentials", "-r", "--",
                *map(str, arguments)]


KINDS = [NamedNamespace, ProcessNamespaces, RootlessContainer]


class Attached:
    """Ringway attached to a namespace of one kind, and its control socket."""

    def __init__(self, bed, ringway, kind):
        self.bed = bed
        self.ringway = ringway
        self.kind = kind
        self.capture = bed.directory / f"{kind.name}.pcapng"
        self.program = bed.start(
            [ringway, "attach", *kind.options(), "--name", kind.name], bed.host, until="attached to")

    def ask(self, *arguments):
        return self.bed.run([self.ringway, *arguments, "--name", self.kind.name], self.bed.host)

    def counter(self, name):
        return json.loads(self.ask("status", "--json"))["counters"][name]


def judge_names(scene):
    said = scene.kind.run(["nslookup", HOST_NAME])
    if "192.168.127.254" not in said:
        raise Failure(f"{HOST_NAME} is not resolved: {said}")
    return f"{HOST_NAME} is 192.168.127.254"


def judge_status(scene):
    status = scene.ask("status")
    if "attach" not in status or "guests" not in status:
        raise Failure(status)
    listed = scene.bed.run([scene.ringway, "ls"], scene.bed.host)
    if not re.search(rf"^{scene.kind.name}\s+attach", listed, re.MULTILINE):
        raise Failure(f"ls does not have it: {listed}")
    return " ".join(status.splitlines()[0].split())


def judge_publish(scene):
    """A port that is published while the network is at work; loopback clients are spliced."""
    server = scene.bed.start(
        scene.kind.inside(["busybox", "nc", "-ll", "-p", "8000", "-e", "cat"]), scene.bed.host)
    wait_until(lambda: ":1F40 " in scene.kind.sockets(), "a server in the namespace")
    line = scene.ask("publish", "add", "127.0.0.1:0:8000")
    port = re.search(r"127\.0\.0\.1:(\d+):8000", line)
    if not port:
        raise Failure(f"publish add says: {line}")
    before = scene.counter("splicedOpened")
    data = os.urandom(SIZE)
    echoed = subprocess.run(
        ["ip", "netns", "exec", scene.bed.host, "python3", "-c", ECHO, port[1]], input=data, capture_output=True,
        timeout=30, check=False)
    if echoed.stdout != data:
        raise Failure(f"{len(echoed.stdout)} bytes came back of {len(data)}: {echoed.stderr.decode()[-300:]}")
    spliced = scene.counter("splicedOpened") - before
    flows = json.loads(scene.ask("flows", "--json"))
    if "flows" not in flows:
        raise Failure("flows says nothing")
    scene.ask("publish", "rm", line.split()[0])
    scene.bed.stop(server)
    if spliced != 1:
        counters = json.loads(scene.ask("status", "--json"))["counters"]
        why = {name: value for name, value in counters.items() if name.startswith("spliced") and value}
        raise Failure(f"{spliced} clients were spliced, and the bytes came back by the interface: {why}")
    return f"port {port[1]}, {len(data)} bytes and back, spliced"


ECHO = """
import socket, sys, threading
data = sys.stdin.buffer.read()
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
threading.Thread(target=lambda: client.sendall(data)).start()
left = len(data)
while left > 0:
    part = client.recv(65536)
    if not part:
        break
    left -= len(part)
    sys.stdout.buffer.write(part)
"""


def judge_flows(scene):
    """A connection that the namespace has opened, in `flows` while it is there."""
    server = scene.bed.start(["python3", PROGRAMS / "files.py", "8080"], scene.bed.host, until="listening")
    client = scene.bed.start(
        scene.kind.inside(["busybox", "nc", HOST_NAME, "8080"]), scene.bed.host, stdin=subprocess.PIPE)
    found = wait_until(
        lambda: [flow for flow in json.loads(scene.ask("flows", "--json"))["flows"]
                 if flow["transport"] == "tcp" and (flow["remoteAddress"] or "").endswith(":8080")],
        "the connection in flows")
    scene.bed.stop(client)
    scene.bed.stop(server)
    return f"{found[0]['guestAddress']} to {found[0]['remoteAddress']}"


def judge_metrics(scene):
    page = scene.bed.run(
        ["curl", "-sS", "--unix-socket", scene.bed.directory / f"ringway/{scene.kind.name}.sock",
         "http://localhost/metrics"], scene.bed.host)
    families = re.findall(r"^# TYPE (\S+)", page, re.MULTILINE)
    if len(families) != len(set(families)) or "process_resident_memory_bytes" not in families:
        raise Failure("families that come twice, or none of the process's own")
    return f"{len(families)} families"


def judge_capture(scene):
    scene.ask("capture", "start", scene.capture)
    scene.kind.run(["nslookup", HOST_NAME])
    scene.ask("capture", "stop")
    read = scene.bed.run(["tcpdump", "-nr", scene.capture, "udp port 53"], scene.bed.host)
    if HOST_NAME not in read:
        raise Failure("the capture does not have the query")
    return f"{len(read.splitlines())} packets of the query"


def judge_end(scene):
    """The namespace is as it was."""
    scene.program.process.send_signal(signal.SIGTERM)
    scene.program.await_end(10)
    left = scene.kind.run(["ip", "-o", "rule"]) + scene.kind.run(["ip", "-o", "link"])
    resolver = scene.kind.run(["cat", "/etc/resolv.conf"])
    if "eth0" in left or "fwmark" in left or "192.168.127.1" in resolver.split():
        raise Failure(f"something is left: {left} {resolver}")
    return "no interface, rule or name server is left"


CASES = {
    "names": judge_names, "status": judge_status, "publish": judge_publish, "flows": judge_flows,
    "metrics": judge_metrics, "capture": judge_capture, "end": judge_end,
}
