"""Ways for a QEMU guest to reach Ringway, and the lines judged inside the guest."""

import contextlib
import pathlib

from bed import Failure
from daemon import Daemon
from namespace_guest import AttachedNamespace
from transfers import file_digest

TOOLS = pathlib.Path(__file__).resolve().parent.parent
VPNKIT_CLIENT = TOOLS.parent / "Tests/EndToEndTests/Programs/vpnkit.py"

LINES = ["lease", "autoconfiguration", "names", "echoes", "files4", "files6", "iperf4", "iperf6"]


NAMESERVER = "127.0.0.1:5353"


def start_nameserver(bed):
    """A server for names under "test", of which there is one."""
    host, port = NAMESERVER.split(":")
    bed.start(
        ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--no-resolv",
         "--no-hosts", "--bind-interfaces", f"--listen-address={host}", f"--port={port}", "--local=/test/",
         "--host-record=machine.test,203.0.113.7,2001:db8::7"], bed.host)
    bed.await_port(port, bed.host, "-uln")


class Way:
    """What tools/vm needs to know of a link that is ready."""

    def __init__(self, link, namespace, options=()):
        self.link = link
        self.namespace = namespace
        self.options = options


@contextlib.contextmanager
def by_tap(bed, ringway, shards):
    """A TAP of QEMU's, on a bridge with the TAP of `ringway attach`."""
    namespace = bed.namespace("machine")
    with AttachedNamespace(bed, ringway, namespace, ["--shards", shards, "--dns", NAMESERVER]):
        # The interface becomes a port of the bridge: its addresses are the machine's to have.
        bed.setting(namespace, "net.ipv6.conf.eth0.disable_ipv6=1")
        for command in (
            "tuntap add vm0 mode tap vnet_hdr", "link add bridge0 type bridge", "addr flush dev eth0",
            "link set eth0 master bridge0", "link set vm0 master bridge0", "link set vm0 up", "link set bridge0 up",
        ):
            bed.run(["ip", "-n", namespace, *command.split()])
        yield Way("tap:vm0", namespace)


@contextlib.contextmanager
def by_stream(bed, ringway, shards):
    path = bed.directory / "vm.sock"
    with Daemon(bed, ringway, [f"qemu:{path}"], ["--dns", NAMESERVER]):
        yield Way(f"qemu:{path}", bed.host)


@contextlib.contextmanager
def by_datagrams(bed, ringway, shards):
    path = bed.directory / "vm.sock"
    with Daemon(bed, ringway, [f"qemu-dgram:{path}"], ["--dns", NAMESERVER]):
        yield Way(f"qemu-dgram:{path}", bed.host)


@contextlib.contextmanager
def by_vpnkit(bed, ringway, shards):
    """A client of the protocol between the daemon and QEMU."""
    path, inner = bed.directory / "vpnkit.sock", bed.directory / "vm.sock"
    with Daemon(bed, ringway, [f"vpnkit:{path}"], ["--dns", NAMESERVER]):
        client = bed.start(["python3", VPNKIT_CLIENT, path, "qemu", inner], bed.host, until="ready")
        _, mac, _ = client.text.split()[:3]
        yield Way(f"qemu:{inner}", bed.host, ["--mac", mac])


WAYS = {"tap": by_tap, "qemu": by_stream, "qemu-dgram": by_datagrams, "vpnkit": by_vpnkit}


def judge_guest(bed, report, way_name, ringway, shards, web, lines, seconds):
    """Boots one guest and takes its verdicts over into the report."""
    bed.start(["iperf3", "-s", "-p", 5201], bed.host)
    bed.await_port(5201, bed.host)
    start_nameserver(bed)
    with WAYS[way_name](bed, ringway, shards) as way:
        # Every line must have said something by the end; a guest that dies says nothing about what was left.
        missing = set(lines)
        try:
            text = bed.run(
                [TOOLS / "vm", "--link", way.link, "--memory", 1024, "--time", 280, "--program", "curl", "--program", "dig",
                 "--program", "iperf3", "--file", TOOLS / "acceptance-lines/machine-lines.sh", *way.options, "--",
                 "sh", "/machine-lines.sh", web.big, seconds, *lines],
                way.namespace, seconds=300, check=False)
        except Failure as failure:
            text = ""
            report.add("guest", way_name, "FAIL", str(failure), 0)
        for row in text.splitlines():
            name, verdict, took, said = row.split("\t")
            missing.discard(name)
            report.add(name, way_name, verdict, said, float(took))
        for name in lines:
            if name in missing:
                report.add(name, way_name, "FAIL", "the guest ended before it", 0)
    for number in (4, 6):
        uploaded = web.directory / "uploads" / f"machine{number}"
        if uploaded.exists() and file_digest(uploaded) != web.big:
            report.add(f"files{number}", way_name, "FAIL", "the file uploaded differs", 0)
