"""The good guest: a namespace with a kernel's TCP, on a TAP of the daemon's or with a card on a stream of QEMU's."""

import json
import signal

from ringway_tools.bench.scene import EXCHANGE_PORT, last_object
from ringway_tools.bystanders.ground import SETTINGS
from ringway_tools.bystanders.raw_guest import GATEWAY, HOST, NETWORK
from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until


ADDRESS = f"{NETWORK}.2"
# On a TAP the kernel chooses the address.
CARD_MAC = "52:54:00:65:00:01"


class GoodGuest:
    """A guest that asks, connects, and has a server of its own."""

    def __init__(self, ground, number, link, path):
        self.ground = ground
        self.bed = ground.bed
        self.namespace = self.bed.namespace(f"good{number}")
        self.bed.setting(self.namespace, *SETTINGS)
        self.interface = "eth0"
        self.link = link
        self.path = path
        self.programs = []
        self.asker = None

    def attach(self, tap):
        """Takes the daemon's TAP, or connects a card to its socket, and waits for the network."""
        if self.link == "tap":
            self.bed.run(["ip", "-n", self.ground.host, "link", "set", tap, "netns", self.namespace, "name",
                          self.interface])
        else:
            self.programs.append(self.bed.start(
                [self.ground.card, self.path, self.interface, CARD_MAC], self.namespace, until="attached"))
        for command in (
            ["addr", "add", f"{ADDRESS}/24", "dev", self.interface], ["link", "set", self.interface, "up"],
            ["route", "replace", "default", "via", GATEWAY],
        ):
            self.bed.run(["ip", "-n", self.namespace, *command])
        found = json.loads(self.bed.run(["ip", "-n", self.namespace, "-j", "link", "show", self.interface]))
        self.mac = found[0]["address"]
        wait_until(
            lambda: " 0% packet loss" in self.bed.run(
                ["ping", "-c", 1, "-W", 1, HOST], self.namespace, check=False), "the good guest's network", 10)
        self.programs.append(self.ground.serve(self.namespace))

    def start_asking(self, kind):
        """A request each millisecond; the first one has been answered when this returns."""
        target = [GATEWAY] if kind == "names" else [HOST, EXCHANGE_PORT]
        self.asker = self.bed.start([self.ground.visitor, kind, *target], self.namespace, until="running")
        self.programs.append(self.asker)

    def forget(self):
        self.asker.process.send_signal(signal.SIGUSR1)

    def asked(self):
        """The asker's counts since `forget`."""
        self.asker.process.terminate()
        try:
            self.asker.process.wait(5)
        except Exception:
            raise Failure("the good guest's client has not ended") from None
        return last_object(self.asker.text, "the good guest's client")

    def connect(self, seconds):
        """Connects one after another to the host's server, for this number of seconds."""
        return self.connects(self.namespace, HOST, EXCHANGE_PORT, seconds)

    def connects(self, namespace, address, port, seconds):
        text = self.bed.run([self.ground.visitor, "connect", address, port, seconds], namespace, seconds + 10)
        return last_object(text, "the client that connects")

    def end(self):
        for program in reversed(self.programs):
            self.bed.stop(program)
        self.bed.remove(self.namespace)
