"""Several QEMU guests on one daemon: one that dies, neighbours, isolation, and frames with a neighbour's address."""

import json
import os
import signal

from ringway_tools.acceptance.transfers import MEBIBYTE, WebServer
from ringway_tools.failure import Failure
from ringway_tools.paths import TOOLS
from ringway_tools.testbed.bed import wait_until
from ringway_tools.testbed.daemon import Daemon

# Sends as long as the client reads, and prints the result.
ENDLESS = """
import socket
listener = socket.create_server(("127.0.0.1", 8401))
print("listening", flush=True)
peer, _ = listener.accept()
count, block = 0, bytes(1 << 16)
try:
    while True:
        count += peer.send(block)
        if count > 8 << 20 and block[0] == 0:
            print("under way", flush=True)
            block = b"x" * (1 << 16)
except OSError as error:
    print("ended:", error.strerror, flush=True)
"""

# The end of nc's standard input would be the end of its connection's one half; this one has none.
NO_END = "mkfifo /run/silent; "
SAY_ADDRESS = ". /run/lease; echo address $ip; "


class Crowd:
    """A daemon and the machines that come to it."""

    def __init__(self, bed, ringway, options=()):
        self.bed = bed
        self.path = bed.directory / "vm.sock"
        self.statistics_path = bed.directory / "statistics.json"
        self.daemon = Daemon(bed, ringway, [f"qemu:{self.path}"], ["--statistics", self.statistics_path, *options])

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *details):
        self.daemon.__exit__(*details)

    def boot(self, name, script, *options):
        """Starts a machine that runs a shell script; the script prints its address first."""
        return self.bed.start(
            [TOOLS / "vm", "--name", name, "--link", f"qemu:{self.path}", "--memory", 1024, "--time", 150,
             "--program", "curl", "--pid-file", self.bed.directory / f"{name}.pid", *options, "--", "sh", "-c",
             SAY_ADDRESS + script], self.bed.host)

    def kill(self, name):
        """As when the machine's emulator crashes."""
        os.kill(int((self.bed.directory / f"{name}.pid").read_text()), signal.SIGKILL)

    def address(self, machine):
        machine.await_text("address", 60)
        wait_until(lambda: "\n" in machine.text, "the end of the line")
        return machine.text.split()[1]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.program.process.pid}/fd"))

    def counter(self, name):
        """The sum of a counter over all objects of the statistics."""
        def total(value):
            if isinstance(value, dict):
                return sum(
                    item if key == name and isinstance(item, int) else total(item) for key, item in value.items())
            return sum(map(total, value)) if isinstance(value, list) else 0

        return total(json.loads(self.statistics_path.read_text()))


# A shard's ring and its doorbell.
SHARD_DESCRIPTORS = 2


def killed(bed, ringway, mebibytes):
    """One of three machines is killed in a transfer: the others are not affected, and it gets the same lease again."""
    web = WebServer(bed, mebibytes * MEBIBYTE)
    server = bed.start(["python3", "-c", ENDLESS], bed.host, until="listening")
    download = "curl -sS http://host.ringway.internal:8080/big | sha256sum"
    with Crowd(bed, ringway) as crowd:
        # The shard that the first guest needs stays for the next one.
        before = crowd.descriptors() + SHARD_DESCRIPTORS
        others = [crowd.boot(name, download) for name in ("one", "three")]
        victim = crowd.boot("two", NO_END + "nc host.ringway.internal 8401 <>/run/silent >/dev/null")
        address = crowd.address(victim)
        server.await_text("under way", 60)
        crowd.kill("two")
        server.await_text("ended:", 10)
        if "ended: Connection reset by peer" not in server.text:
            raise Failure(f"the host's server met something else than a reset: {server.text.split('ended:')[1]}")
        addresses = {address, *map(crowd.address, others)}
        for other in others:
            if web.big not in other.await_end(150):
                raise Failure("the file that another machine downloaded differs")
        if len(addresses) != 3:
            raise Failure(f"three machines have the addresses {addresses}")
        again = crowd.boot("two", "true")
        again.await_end(60)
        if crowd.address(again) != address:
            raise Failure(f"it had {address}, and came back to {crowd.address(again)}")
        wait_until(
            lambda: crowd.descriptors() <= before, f"{crowd.descriptors()} descriptors, {before} before: their closing")
    return f"a reset on the host, 2 × {mebibytes} MiB equal for the others, {address} again, no descriptor left"


RECEIVE = NO_END + "nc -l -p 9000 <>/run/silent >/tmp/file; sha256sum /tmp/file"


def neighbours(bed, ringway, mebibytes):
    """Two machines reach each other, and move a file from one to the other."""
    with Crowd(bed, ringway) as crowd:
        receiver = crowd.boot("one", RECEIVE)
        address = crowd.address(receiver)
        sender = crowd.boot(
            "two",
            f"ping -q -c 2 -W 2 {address} >/dev/null || echo silent; head -c {mebibytes}m /dev/urandom >/tmp/file; "
            f"sha256sum /tmp/file; nc {address} 9000 </tmp/file")
        sent, received = sender.await_end(150).split(), receiver.await_end(150).split()
        if "silent" in sent or sent[2] != received[2]:
            raise Failure(f"sent {sent[2:]}, received {received[2:]}")
    return f"an echo, and {mebibytes} MiB equal"


def isolated(bed, ringway, _):
    """With isolation they reach the host, and not each other."""
    WebServer(bed, MEBIBYTE)
    with Crowd(bed, ringway, ["--isolate"]) as crowd:
        receiver = crowd.boot("one", RECEIVE)
        address = crowd.address(receiver)
        sender = crowd.boot(
            "two",
            f"ping -q -c 2 -W 2 {address} >/dev/null && echo echo; "
            f"nc -w 3 {address} 9000 </dev/null 2>/dev/null && echo connected; "
            "curl -sS -o /dev/null http://host.ringway.internal:8080/page && echo host")
        said = sender.await_end(150).split()[2:]
        if said != ["host"]:
            raise Failure(f"the machine met {said}")
    return "neither echo nor connection; the host answers"


PRETEND = """
ping -q -c 1 -W 2 192.168.127.254 >/dev/null && echo itself
ip addr add 192.168.127.77/24 dev eth0
ping -q -c 2 -W 1 -I 192.168.127.77 192.168.127.254 >/dev/null && echo other-address
ip link set eth0 down; ip link set eth0 address 52:54:00:01:02:03; ip link set eth0 up
ip route replace default via 192.168.127.1
ping -q -c 2 -W 1 192.168.127.254 >/dev/null && echo other-machine
sleep 2
"""


def spoofed(bed, ringway, _):
    """Frames with an address that is not the machine's are dropped and counted."""
    with Crowd(bed, ringway) as crowd:
        machine = crowd.boot("one", PRETEND)
        said = machine.await_end(150).split()[2:]
        if said != ["itself"]:
            raise Failure(f"answers came to {said}")
        wait_until(lambda: crowd.counter("droppedSpoofedSource"), "the count of drops")
        count = crowd.counter("droppedSpoofedSource")
    return f"no answer to either, {count} frames dropped"


CASES = {"killed": killed, "neighbours": neighbours, "isolated": isolated, "spoofed": spoofed}
