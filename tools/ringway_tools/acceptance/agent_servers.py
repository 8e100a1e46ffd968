"""Servers inside a guest that only its agent reaches: on its loopback, in another network namespace of it, at a unix
socket. The guest is a namespace, and a unix socket stands for the vsock."""

import os
import re
import signal

from ringway_tools.acceptance.connections import require_all, run_flows
from ringway_tools.acceptance.transfers import MEBIBYTE, WEB_CONFIGURATION, file_digest, random_file
from ringway_tools.failure import Failure
from ringway_tools.paths import PROGRAMS
from ringway_tools.testbed.bed import wait_until
from ringway_tools.testbed.guest import FLOWS

# How the two ends of a connection may end; see ends.py.
ENDINGS = [
    "both-ways", "half-closed-by-client", "half-closed-by-server", "reset-by-client", "reset-by-server",
    "reset-by-client-half-closed", "reset-by-server-half-closed", "reset-by-client-while-full",
    "reset-by-server-while-full", "reader-rests",
]
LOOPBACK, NAMESPACE, CROWD, DATAGRAMS, FIRST_ENDING = 8001, 8002, 8003, 8004, 8100
# The most idle connections that each side keeps between host and agent.
STANDING_DESCRIPTORS = 64


class Scene:
    """`ringway serve`, the agent in a guest, and the servers behind it."""

    def __init__(self, bed, ringway, agent, length):
        self.bed = bed
        self.guest = bed.namespace("guest")
        self.inner = bed.namespace("inner")
        self.directory = bed.directory
        files = bed.directory / "files"
        files.mkdir()
        self.digest = random_file(files / "big", length)
        self.webs = [self.web("loopback", self.guest), self.web("namespace", self.inner)]
        self.start_bridge(ringway, agent)
        bed.start([FLOWS, "serve", "7000"], self.guest, until="listening")
        bed.start(["python3", PROGRAMS / "echo_datagrams.py", "5300"], self.guest, until="listening")
        self.witness = bed.start(["sleep", "infinity"], self.guest)

    def web(self, name, namespace):
        """nginx on the namespace's loopback and at a unix socket, with one big file."""
        directory = self.directory / name
        (directory / "uploads").mkdir(parents=True)
        (directory / "files").symlink_to(self.directory / "files")
        text = WEB_CONFIGURATION.format(directory=directory)
        text = text.replace("        root ", f"        listen unix:{directory}/web.sock;\n        root ")
        (directory / "nginx.conf").write_text(text)
        self.bed.start(
            ["nginx", "-p", directory, "-e", directory / "error.log", "-c", directory / "nginx.conf"], namespace)
        self.bed.await_port(8080, namespace)
        return directory

    def start_bridge(self, ringway, agent):
        forwards = [
            f"{LOOPBACK}=tcp:127.0.0.1:8080", f"{NAMESPACE}=tcp:127.0.0.1:8080@{self.inner}",
            f"{CROWD}=tcp:127.0.0.1:7000", f"{DATAGRAMS}=udp:127.0.0.1:5300",
            f"unix:{self.directory}/host.sock=unix:{self.webs[0]}/web.sock",
        ]
        forwards += [
            f"{FIRST_ENDING + index}=tcp:127.0.0.1:{9000 + index}" for index in range(len(ENDINGS))]
        options = [word for forward in forwards for word in ("--forward", forward)]
        self.service = self.bed.start_until_ready(
            lambda notice: [
                ringway, "serve", "--listen", f"unix:{self.directory}/agent.sock", "--ready-fd", notice, *options],
            "the service", self.bed.host)
        self.agent = self.bed.start(
            [agent, "run", "--host", f"unix:{self.directory}/agent.sock", "--configure", "--resolv-conf", "",
             "--request-socket", ""], self.guest, until="connected")

    def places(self):
        """Arguments of curl for each of the servers, and the file of an upload."""
        return {
            "loopback": ([f"http://127.0.0.1:{LOOPBACK}"], self.webs[0]),
            "namespace": ([f"http://127.0.0.1:{NAMESPACE}"], self.webs[1]),
            "unix": (["--unix-socket", f"{self.directory}/host.sock", "http://guest"], self.webs[0]),
        }

    def host(self, arguments, **options):
        return self.bed.run(arguments, self.bed.host, **options)

    def descriptors(self):
        return [len(os.listdir(f"/proc/{program.process.pid}/fd")) for program in (self.service, self.agent)]

    def memory(self):
        """Mebibytes that are the processes' own."""
        texts = (open(f"/proc/{program.process.pid}/status").read() for program in (self.service, self.agent))
        return [int(re.search(r"RssAnon:\s+(\d+)", text)[1]) / 1024 for text in texts]

    def require_nothing_left(self, before):
        """No connection in the guest, and of descriptors only those of idle connections to the agent."""
        for namespace in (self.guest, self.inner):
            wait_until(
                lambda: not self.bed.run(["ss", "-Htn", "state", "established"], namespace).strip(),
                f"connections in {namespace}: their end", 30)
        wait_until(
            lambda: all(now <= then + STANDING_DESCRIPTORS for now, then in zip(self.descriptors(), before)),
            f"{self.descriptors()} open descriptors, {before} before: the closing of the others", 30)


def files(scene):
    """A big file down and back up through each server, equal to the bit."""
    rates = []
    before = scene.descriptors()
    for name, (words, directory) in scene.places().items():
        copy = scene.directory / "copy"
        down = scene.host(
            ["curl", "-sS", "-f", "-o", copy, "-w", "%{speed_download}", *words[:-1], f"{words[-1]}/big"])
        if file_digest(copy) != scene.digest:
            raise Failure(f"{name}: the file downloaded differs")
        up = scene.host(
            ["curl", "-sS", "-f", "-T", copy, "-w", "%{speed_upload}", *words[:-1], f"{words[-1]}/upload/{name}"])
        if file_digest(directory / "uploads" / name) != scene.digest:
            raise Failure(f"{name}: the file uploaded differs")
        rates.append(f"{name} {float(down) * 8e-9:.1f} down {float(up.split()[-1]) * 8e-9:.1f} up Gb/s")
        copy.unlink()
        (directory / "uploads" / name).unlink()
    scene.require_nothing_left(before)
    size = (scene.directory / "files" / "big").stat().st_size // MEBIBYTE
    return f"{size} MiB each way equal: {', '.join(rates)} (to and from files)"


def datagrams(scene):
    return scene.host(["python3", PROGRAMS / "ask_datagrams.py", "127.0.0.1", DATAGRAMS]).strip()


def endings(scene):
    """Every order of half-close, close and reset, seen alike at both ends; and a reader that pauses."""
    before = scene.descriptors()
    for index, name in enumerate(ENDINGS):
        scene.host(
            ["python3", PROGRAMS / "ends.py", "127.0.0.1", FIRST_ENDING + index, scene.witness.process.pid,
             9000 + index, name])
    scene.require_nothing_left(before)
    return ", ".join(ENDINGS)


def crowd(scene):
    before, memory = scene.descriptors(), scene.memory()
    report = require_all(run_flows(scene.host, ["hold", "127.0.0.1", CROWD, 2_000], seconds=120))
    peak = scene.memory()
    scene.require_nothing_left(before)
    grown = [now - then for now, then in zip(peak, memory)]
    return (f"2000 connections at once, opened in {report['connectSeconds']} s, data in {report['dataSeconds']} s; "
            f"the service has grown by {grown[0]:.1f} MiB, the agent by {grown[1]:.1f}")


def vanishing(scene):
    """Clients that are killed in the middle of a file leave nothing behind, on either side."""
    before = scene.descriptors()
    clients = [
        scene.bed.start(
            ["curl", "-sS", "--limit-rate", "100k", "-o", "/dev/null", f"http://127.0.0.1:{LOOPBACK}/big"],
            scene.bed.host)
        for _ in range(100)]

    def established():
        return scene.bed.run(["ss", "-Htn", "state", "established", "sport = :8080"], scene.guest).count("\n")

    wait_until(lambda: established() >= len(clients), "a hundred connections", 30)
    for client in clients:
        os.killpg(client.process.pid, signal.SIGKILL)
        client.process.wait()
    scene.require_nothing_left(before)
    return f"{len(clients)} clients killed in mid-transfer"


CASES = {"files": files, "datagrams": datagrams, "endings": endings, "crowd": crowd, "vanishing": vanishing}
