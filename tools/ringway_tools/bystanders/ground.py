"""The ground of all rows: a host's namespace with its servers, one outside, and the compiled programs."""

from ringway_tools.bench.scene import EXCHANGE_PORT, EXCHANGE_PORTS, HOST, OUTSIDER
from ringway_tools.bystanders.places import BLACK_HOLE, SINK_PORT
from ringway_tools.paths import PROGRAMS
from ringway_tools.testbed.bed import Bed


NAME_PORT = 5_353
# Connections come and go by the ten thousand: those in TIME_WAIT must not take all ports away.
SETTINGS = ("net.ipv4.tcp_tw_reuse=1", "net.ipv4.tcp_max_tw_buckets=8192")


class Ground:
    """The bed of a whole run."""

    def __init__(self):
        self.bed = Bed()

    def __enter__(self):
        self.bed.__enter__()
        try:
            self.set_up()
        except BaseException:
            self.bed.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.bed.__exit__()

    def set_up(self):
        self.host = self.bed.host
        self.outside = self.bed.namespace("outside")
        self.bed.link(self.host, self.outside, HOST.rpartition(".")[0])
        for namespace in (self.host, self.outside):
            self.bed.setting(namespace, *SETTINGS)
        self.bed.run(["ip", "-n", self.host, "route", "add", "default", "via", OUTSIDER])
        self.bed.run(["ip", "-n", self.outside, "route", "add", "blackhole", f"{BLACK_HOLE}.0/24"])
        self.visitor = self.compiled(PROGRAMS / "visitor.c")
        self.card = self.compiled(PROGRAMS / "card.c")
        self.exchanges = self.compiled(PROGRAMS / "exchanges.c")
        self.bed.start(["python3", PROGRAMS / "bystander_servers.py", NAME_PORT, SINK_PORT], self.host, until="serving")

    def compiled(self, source):
        program = self.bed.directory / source.stem
        self.bed.run(["cc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-pthread", "-o", program, source])
        return program

    def serve(self, namespace):
        """An echo server, fresh, so that no connection of an earlier situation is left."""
        return self.bed.start(
            [self.exchanges, "serve", EXCHANGE_PORT, EXCHANGE_PORTS], namespace, until="listening")

    def raw_pings(self, wanted):
        group_range = "1 0" if wanted else "0 2147483647"
        self.bed.setting(self.host, f"net.ipv4.ping_group_range={group_range}")
