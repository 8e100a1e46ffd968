"""Ways for a QEMU guest to reach Ringway, and the cases judged inside the guest."""

import contextlib
import pathlib

from ringway_tools.acceptance.transfers import MEBIBYTE, WebServer, file_digest
from ringway_tools.failure import Failure
from ringway_tools.paths import PROGRAMS, TOOLS
from ringway_tools.testbed.daemon import Daemon
from ringway_tools.testbed.namespace_guest import AttachedNamespace

INSIDE_SCRIPTS = pathlib.Path(__file__).resolve().parent / "inside"

# Emulated without KVM on a slow machine, all cases of a link take minutes.
MACHINE_SECONDS = 900

CASES = ["lease", "autoconfiguration", "names", "echoes", "files4", "files6", "iperf4", "iperf6"]

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
    """A link that is ready, as tools/vm needs it."""

    def __init__(self, link, namespace, options=()):
        self.link = link
        self.namespace = namespace
        self.options = options


@contextlib.contextmanager
def by_tap(bed, ringway, options):
    """A TAP of QEMU's, on a bridge with the TAP of `ringway attach`."""
    namespace = bed.namespace("machine")
    with AttachedNamespace(bed, ringway, namespace, options):
        # The interface becomes a port of the bridge: its addresses are the machine's to have.
        mac = bed.run(["cat", "/sys/class/net/eth0/address"], namespace).strip()
        bed.setting(namespace, "net.ipv6.conf.eth0.disable_ipv6=1")
        for command in (
            "tuntap add vm0 mode tap vnet_hdr", "link add bridge0 type bridge", "addr flush dev eth0",
            "link set eth0 address 02:00:00:00:00:02",
            "link set eth0 master bridge0", "link set vm0 master bridge0", "link set vm0 up", "link set bridge0 up",
        ):
            bed.run(["ip", "-n", namespace, *command.split()])
        yield Way("tap:vm0", namespace, ["--mac", mac])


@contextlib.contextmanager
def by_stream(bed, ringway, options):
    path = bed.directory / "vm.sock"
    with Daemon(bed, ringway, [f"qemu:{path}"], options):
        yield Way(f"qemu:{path}", bed.host)


@contextlib.contextmanager
def by_datagrams(bed, ringway, options):
    path = bed.directory / "vm.sock"
    with Daemon(bed, ringway, [f"qemu-dgram:{path}"], options):
        yield Way(f"qemu-dgram:{path}", bed.host)


@contextlib.contextmanager
def by_vpnkit(bed, ringway, options):
    """A client of the protocol between the daemon and QEMU."""
    path, inner = bed.directory / "vpnkit.sock", bed.directory / "vm.sock"
    with Daemon(bed, ringway, [f"vpnkit:{path}"], options):
        client = bed.start(["python3", PROGRAMS / "vpnkit.py", path, "qemu", inner], bed.host, until="ready")
        _, mac, _ = client.text.split()[:3]
        yield Way(f"qemu:{inner}", bed.host, ["--mac", mac])


# The machine is the guest.
WAYS = {"tap": by_tap, "qemu": by_stream, "qemu-dgram": by_datagrams, "vpnkit": by_vpnkit}
# Everything is in the machine: further options of Ringway, and the way that inside-cases.sh knows.
INSIDE = {
    "run": "run", "run-2": "run-2", "run-epoll": "--reactor epoll run", "vsock": "vsock", "vsock-2": "vsock-2",
}

GUEST_PROGRAMS = ["curl", "dig", "iperf3"]
HOST_PROGRAMS = ["nginx", "dnsmasq"]


def named(bed, program, name):
    """A program by the name that scripts in the machine call it by."""
    link = bed.directory / name
    link.unlink(missing_ok=True)
    link.symlink_to(pathlib.Path(program).resolve())
    return link


class Judge:
    """Boots one guest for each link and copies its verdicts into the report."""

    def __init__(self, report, ringway, agent, shards, quick, cases):
        self.report = report
        self.ringway = ringway
        self.agent = agent
        self.shards = shards
        self.mebibytes = 16 if quick else 256
        self.seconds = 1 if quick else 3
        self.cases = cases

    def judge(self, bed, name):
        if name in WAYS:
            self.judge_behind(bed, name)
        else:
            self.judge_inside(bed, name)

    def judge_behind(self, bed, name):
        """The machine is the guest, its host is a namespace of the bed."""
        web = WebServer(bed, self.mebibytes * MEBIBYTE)
        bed.start(["iperf3", "-s", "-p", 5201], bed.host)
        bed.await_port(5201, bed.host)
        start_nameserver(bed)
        options = ["--dns", NAMESERVER, *(["--shards", self.shards] if name == "tap" else [])]
        with WAYS[name](bed, self.ringway, options) as way:
            self.boot(bed, name, way, GUEST_PROGRAMS, ["sh", "/machine-cases.sh", web.big, self.seconds])
        for number in (4, 6):
            uploaded = web.directory / "uploads" / f"machine{number}"
            if uploaded.exists() and file_digest(uploaded) != web.big:
                self.report.add(f"files{number}", name, "FAIL", "the file uploaded differs", 0)

    def judge_inside(self, bed, name):
        """Host, bridge and guest are all in the machine, on its kernel."""
        settings, _, way = INSIDE[name].rpartition(" ")
        options = ["--module", "tun", "--module", "vsock_loopback", "--file",
                   INSIDE_SCRIPTS / "inside-cases.sh"]
        programs = [*GUEST_PROGRAMS, *HOST_PROGRAMS, named(bed, self.ringway, "ringway")]
        if way.startswith("vsock"):
            programs.append(named(bed, self.agent, "ringway-agent"))
        command = ["env", f"RINGWAY_OPTIONS={settings}", "sh", "/inside-cases.sh", way, self.mebibytes, self.seconds]
        self.boot(bed, name, Way("none", bed.host, options), programs, command)

    def boot(self, bed, name, way, programs, command):
        # Half of the memory is what files may take: of the big one there are up to four copies in a machine.
        memory = 1024 + 8 * self.mebibytes
        scripts = [INSIDE_SCRIPTS / script for script in ("machine-cases.sh", "judging.sh")]
        take_verdicts(
            bed, self.report, name, way, memory, programs, scripts, [*command, *self.cases],
            self.cases)


def take_verdicts(bed, report, name, way, memory, programs, files, command, cases):
    """Boots a machine, runs a command that judges cases in it, and takes its verdicts over into the report."""
    # Every case must have a verdict: a machine that crashes has none for the remaining cases.
    missing = set(cases)
    arguments = [TOOLS / "vm", "--link", way.link, "--memory", memory, "--time", MACHINE_SECONDS, *way.options]
    for program in programs:
        arguments += ["--program", program]
    for file in files:
        arguments += ["--file", file]
    guest = bed.start([*arguments, "--", *command], way.namespace)
    try:
        text = guest.await_end(MACHINE_SECONDS + 20)
    except Failure as failure:
        text = guest.text
        report.add("machine", name, "FAIL", str(failure), 0)
    for row in text.splitlines():
        fields = row.split("\t")
        if len(fields) == 4:
            missing.discard(fields[0])
            report.add(fields[0], name, fields[1], fields[3].strip(), float(fields[2]))
    for case in cases:
        if case in missing:
            report.add(case, name, "FAIL", "the machine ended before it", 0)
