"""Ringway where not every layer of the sandbox can be had: in containers, and on an older kernel."""

import contextlib
import json
import os

from ringway_tools.acceptance import machines
from ringway_tools.acceptance.container_engine import Engine
from ringway_tools.acceptance.suite import Suite
from ringway_tools.acceptance.transfers import file_digest
from ringway_tools.command import BUILDS
from ringway_tools.failure import Failure
from ringway_tools.paths import AGENT, PERF, STATIC_AGENT
from ringway_tools.testbed.bed import Bed, wait_until
from ringway_tools.vm.kernel import Kernel
from ringway_tools.vm.packages import PackageCache

IMAGE = "contained:1"
NAME = "contained"
# The engine's own bridge.
BRIDGE = "172.17.0.1"
HOST, GATEWAY = "192.168.127.254", "192.168.127.1"
WEB_PORT, ECHO_PORT = 8000, 7000
FIRST_PORT, NEXT_PORT = 8080, 8081
MACHINE_MEMORY = 1_024

CASES = ["layers", "tcp", "udp", "names", "published", "control", "reload"]
# The places in containers: options of docker run.
CONTAINERS = {"default-profile": [], "read-only": ["--read-only", "--tmpfs", "/run"]}
PLACES = [*CONTAINERS, "machine"]

CONFIGURATION = """listen: unix:/share/agent.sock
publish: ["0.0.0.0:{port}:80"]
"""


class Container:
    """`ringway serve` in a container; its guest is a namespace with an agent, outside of the engine."""

    def __init__(self, bed, ringway, agent, busybox, options):
        self.bed = bed
        self.ringway = os.path.realpath(ringway)
        self.agent = agent
        self.busybox = busybox
        self.options = options
        self.share = bed.directory / "share"
        self.namespace = bed.namespace("engine")
        self.guest = bed.namespace("guest")
        self.engine = None

    @contextlib.contextmanager
    def running(self):
        (self.share / "www").mkdir(parents=True)
        (self.share / "guest").mkdir()
        (self.share / "guest/page").write_text("page\n")
        self.bed.run(["sh", "-c", f"head -c 16777216 /dev/urandom >{self.share}/www/big"])
        self.configure(FIRST_PORT)
        # Bridges between containers and the namespace are the engine's; it needs no way out.
        with Engine(
                self.bed, self.namespace, BRIDGE, "none.invalid", ["--bip", f"{BRIDGE}/16"]) as self.engine:
            self.engine.import_root(IMAGE, self.busybox, [self.ringway, "socat"])
            self.bed.start(
                ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=",
                 "--no-resolv", "--no-hosts", "--bind-interfaces", f"--listen-address={BRIDGE}", "--local=/test/",
                 "--host-record=machine.test,203.0.113.7"], self.namespace)
            self.bed.await_port(53, self.namespace, "-uln")
            self.engine.docker(
                "run", "--detach", "--name", NAME, "--volume", f"{self.share}:/share", *self.options, IMAGE,
                "ringway", "serve", "--config", "/share/serve.yaml", "--control", "/share/control", "--no-state")
            wait_until(lambda: (self.share / "agent.sock").exists() or self.require_running(), "the daemon's socket")
            self.inside("httpd", "-p", f"127.0.0.1:{WEB_PORT}", "-h", "/share/www")
            self.engine.docker(
                "exec", "--detach", NAME, "socat", f"UDP4-RECVFROM:{ECHO_PORT},bind=127.0.0.1,fork", "EXEC:/bin/cat")
            self.bed.start(
                [self.agent, "run", "--host", f"unix:{self.share}/agent.sock", "--configure", "--resolv-conf", "",
                 "--request-socket", ""], self.guest)
            wait_until(
                lambda: "inet " in self.bed.run(
                    ["ip", "-4", "-o", "address", "show", "dev", "eth0"], self.guest, check=False),
                "the guest's interface and its address")
            self.bed.start([self.busybox, "httpd", "-f", "-p", "80", "-h", self.share / "guest"], self.guest)
            self.bed.await_port(80, self.guest)
            yield self

    def require_running(self):
        state = self.engine.docker("inspect", "--format", "{{.State.Running}}", NAME).strip()
        if state != "true":
            raise Failure(f"the daemon has ended: {self.engine.docker('logs', NAME)[-400:]}")

    def inside(self, *arguments):
        return self.engine.docker("exec", NAME, *arguments)

    def in_guest(self, *arguments, check=True):
        return self.bed.run(list(arguments), self.guest, check=check)

    def configure(self, port):
        fresh = self.share / "serve.yaml.new"
        fresh.write_text(CONFIGURATION.format(port=port))
        fresh.rename(self.share / "serve.yaml")

    def page(self, port):
        """What a client outside of the container reads at a published port, or curl's error."""
        address = self.engine.docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", NAME).strip()
        return self.bed.run(
            ["curl", "-sS", "--max-time", 5, f"http://{address}:{port}/page"], self.namespace, check=False).strip()

    def status(self):
        return json.loads(self.inside("ringway", "status", "--json", "--control", "/share/control"))


def layers(place):
    """No thread may gain privileges, and each has a filter; what is missing must be named."""
    fields = place.inside("sh", "-c", "cat /proc/1/task/*/status").splitlines()

    def values(name):
        return [line.split()[1] for line in fields if line.startswith(f"{name}:")]

    threads = len(values("Seccomp"))
    if values("NoNewPrivs") != ["1"] * threads or values("Seccomp") != ["2"] * threads or threads < 3:
        raise Failure(f"NoNewPrivs {values('NoNewPrivs')}, Seccomp {values('Seccomp')}")
    # CAP_SYS_ADMIN, CAP_SYS_MODULE, CAP_MKNOD, CAP_SETUID, CAP_CHOWN: the engine gives the last three.
    kept = [int(value, 16) for value in values("CapEff")]
    if any(value >> bit & 1 for value in kept for bit in (21, 16, 27, 7, 0)):
        raise Failure(f"capabilities {values('CapEff')}")
    sandbox = place.status()["sandbox"]
    if sandbox["mode"] != "on":
        raise Failure(f"the sandbox is {sandbox['mode']}")
    missing = [layer["layer"] for layer in sandbox.get("missing", [])]
    return f"{threads} threads; {', '.join(sandbox['layers'])}; missing: {', '.join(missing) or 'none'}"


def tcp(place):
    text = place.in_guest("sh", "-c", f"curl -sSf http://{HOST}:{WEB_PORT}/big | sha256sum")
    if text.split()[0] != file_digest(place.share / "www/big"):
        raise Failure("the file differs")
    return "16 MiB, equal to the bit"


def udp(place):
    text = place.in_guest("sh", "-c", f"printf datagram | socat -t 2 - UDP4:{HOST}:{ECHO_PORT}")
    if text != "datagram":
        raise Failure(f"the answer is \"{text}\"")
    return "a datagram there and back"


def names(place):
    for name, expected in (("host.ringway.internal", HOST), ("machine.test", "203.0.113.7")):
        answer = place.in_guest("dig", f"@{GATEWAY}", "+short", "+time=2", "+tries=2", name).strip()
        if answer != expected:
            raise Failure(f"{name} is {answer or 'not answered'}")
    return "built-in and the host's"


def published(place):
    wait_until(lambda: place.page(FIRST_PORT) == "page", "the guest's page")
    return "a client outside of the container reads the guest's page"


def control(place):
    status = place.status()
    if status["guests"] != 1:
        raise Failure(f"the status counts {status['guests']} guests")
    return "status answers, with one guest"


def reload(place):
    place.configure(NEXT_PORT)
    wait_until(lambda: place.page(NEXT_PORT) == "page", "the page at the new port")
    if place.page(FIRST_PORT) == "page":
        raise Failure("the former port still answers")
    return "the new port is published, the former is not"


ACTIONS = {
    "layers": layers, "tcp": tcp, "udp": udp, "names": names, "published": published, "control": control,
    "reload": reload,
}


class ContainedSuite(Suite):
    name = "contained"
    summary = "ringway serve in containers and on an older kernel, with its sandbox"
    description = """Ringway where not every layer of its sandbox can be had: PASS or FAIL for each case and place.

`ringway serve` runs in a container of a real Docker engine, or in a QEMU machine, and an agent is its guest. Needs root
and release builds (swift build -c release --product ringway, and --product ringway-agent), and tools/agent for the
machine. Everything happens in namespaces of its own and in a temporary directory, which are gone at the end.
"""
    epilog = """
places
  default-profile  a container with Docker's default profile of system calls and its default capabilities
  read-only        the same with a root file system that is read-only
  machine          a QEMU machine with Debian's kernel, in which daemon, agent and guest run

cases
  layers     each thread has forbidden new privileges and has a filter of system calls, no thread has the capabilities
             that Ringway gives up, and status names the layers that are missing
  tcp        a download of 16 MiB, equal to the bit
  udp        a datagram and its answer
  names      a name of the network and one of the host's nameserver
  published  a client outside reads a page of the guest
  control    the control socket answers
  reload     a changed configuration publishes another port
"""
    title = "Acceptance with a sandbox that lacks layers"
    page = PERF / "acceptance-contained.md"
    setting = "place"
    conditions = "that engine or machine, daemon, agent and clients share"
    needs = (
        "ip=iproute2", "curl=curl", "dig=dnsutils", "socat=socat", "dnsmasq=dnsmasq-base", "unshare=util-linux",
        "dockerd=docker.io", "docker-init=docker.io", "iptables=iptables", "tar=tar",
        "qemu-system-x86_64=qemu-system-x86",
    )

    def cases(self):
        return CASES

    def add_options(self, parser):
        parser.add_argument("--place", action="append", choices=PLACES, help="repeatable (default: all)")
        parser.add_argument("--agent", default=str(AGENT), help="the agent's binary")

    def check(self, arguments, parser, command):
        command.require_binary(arguments.agent, BUILDS["ringway-agent"])

    def judge(self, arguments, report):
        packages = PackageCache.of_user()
        busybox = packages.unpacked("busybox-static") / "bin/busybox"
        for name in arguments.place or PLACES:
            with Bed() as bed:
                try:
                    if name == "machine":
                        Kernel.of_debian(packages)
                        self.judge_machine(arguments, report, bed)
                    else:
                        self.judge_container(arguments, report, bed, name, busybox)
                except Failure as failure:
                    report.add("place", name, "FAIL", str(failure), 0)

    def judge_container(self, arguments, report, bed, name, busybox):
        place = Container(bed, arguments.ringway, arguments.agent, busybox, CONTAINERS[name])
        with place.running():
            for case, action in ACTIONS.items():
                if self.wants(arguments, case):
                    report.judge(case, name, lambda: action(place))

    def judge_machine(self, arguments, report, bed):
        scripts = [machines.INSIDE_SCRIPTS / name for name in ("contained-cases.sh", "judging.sh")]
        programs = ["curl", "dig", "dnsmasq", "socat", machines.named(bed, arguments.ringway, "ringway"),
                    machines.named(bed, STATIC_AGENT, "ringway-agent")]
        cases = [case for case in CASES if self.wants(arguments, case)]
        machines.take_verdicts(
            bed, report, "machine", machines.Way("none", bed.host, ["--module", "tun"]), MACHINE_MEMORY, programs,
            scripts, ["sh", "/contained-cases.sh", *cases], cases)
