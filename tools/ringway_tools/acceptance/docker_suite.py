"""A real Docker engine in a namespace whose only uplink is Ringway."""

from ringway_tools.acceptance import containers, machine_engine, proxied_engine, transfers
from ringway_tools.acceptance.container_engine import Engine, Registry
from ringway_tools.acceptance.suite import Suite
from ringway_tools.failure import Failure
from ringway_tools.paths import PERF, STATIC_AGENT
from ringway_tools.testbed.bed import Bed
from ringway_tools.testbed.namespace_guest import AttachedNamespace
from ringway_tools.vm.packages import PackageCache


class DockerSuite(Suite):
    name = "docker"
    summary = "a Docker engine behind Ringway; --proxy: its userland proxy is the agent"
    description = """A real Docker engine in a namespace whose only uplink is Ringway: PASS or FAIL for each case.

The engine pushes to and pulls from a registry on the host, builds, runs containers that use the network, and publishes
their ports. Needs root and a release build (swift build -c release --product ringway). Everything happens in namespaces
of its own and in a temporary directory, which are gone at the end.
"""
    epilog = """
cases
  registry        a layer of 64 MiB that does not compress is pushed, forgotten and pulled again
  build           docker build: a step downloads from the host and checks what it got
  container-names a container resolves names over UDP and TCP
  container-files a container downloads and uploads, equal to the bit
  container-many  containers that download at the same time
  container-ping  a container reaches the host by ICMP
  published       a container's TCP port, published in the namespace and by Ringway, answers on the host
  published-udp   the same for UDP
  removed         after docker rm -f the host's client is refused or reset, and a new container takes over
  engine-killed   after SIGKILL of the engine and its restart a published port answers again

cases with --machine
  engine, registry, build, container, published: as above, in a QEMU guest of 3 GiB

cases with --proxy, where dockerd --userland-proxy-path names the agent
  published       docker run -p has the host publish the port
  taken           a port that is taken on the host fails with the engine's usual words
  freed           docker rm -f frees the host's port, and the next container gets it
  range           two hundred ports at once: how long they take, and how long where nothing is published on the host
  engine-killed, agent-killed, daemon-killed
                  after SIGKILL of each, and its restart, the port answers again
"""
    title = "Acceptance with a Docker engine"
    page = PERF / "acceptance-docker.md"
    setting = "scene"
    conditions = "that engine, containers, bridge and servers share"
    needs = (
        "ip=iproute2", "ss=iproute2", "sysctl=procps", "curl=curl", "nginx=nginx-light", "unshare=util-linux",
        "dockerd=docker.io", "docker-init=docker.io", "docker-registry=docker-registry", "iptables=iptables",
        "tar=tar", "socat=socat",
    )

    def cases(self):
        return list(containers.CASES)

    def add_options(self, parser):
        parser.add_argument("--shards", type=int, action="append", help="numbers of shards (default: 1)")
        parser.add_argument("--machine", metavar="LINK", choices=list(machine_engine.WAYS),
                            help="an engine in a QEMU guest on that link, and its cases")
        parser.add_argument("--proxy", action="store_true",
                            help="an engine whose userland proxy is the agent, and its cases")
        parser.add_argument("--agent", default=str(STATIC_AGENT), help="the agent's binary")
        parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")

    def check(self, arguments, parser, command):
        if arguments.proxy:
            command.require_binary(arguments.agent, "tools/agent builds it")

    def judge(self, arguments, report):
        busybox = PackageCache.of_user().unpacked("busybox-static") / "bin/busybox"
        if arguments.machine:
            self.judge_machine(arguments, report)
        if arguments.proxy:
            self.judge_proxy(arguments, report, busybox)
        for shards in arguments.shards or ([] if arguments.machine or arguments.proxy else [1]):
            try:
                self.judge_containers(arguments, report, shards, busybox)
            except Failure as failure:
                report.add("engine", f"{shards} shard(s)", "FAIL", str(failure), 0)

    def judge_containers(self, arguments, report, shards, busybox):
        """Every case with one engine, because that is how an engine is used."""
        with Bed() as bed:
            web = transfers.WebServer(bed, (16 if arguments.quick else 256) * transfers.MEBIBYTE)
            Registry(bed)
            namespace = bed.namespace("engine")
            options = ["--shards", shards, "-p", containers.PORTS, "-p", f"{containers.PORTS}/udp"]
            with AttachedNamespace(bed, arguments.ringway, namespace, options) as guest:
                registry = f"host.ringway.internal:{Registry.PORT}"
                with Engine(bed, namespace, guest.GATEWAY4, registry) as engine:
                    scene = containers.Scene(bed, guest, engine, web, busybox, arguments.quick)
                    for name, action in containers.CASES.items():
                        if self.wants(arguments, name):
                            report.judge(name, f"{shards} shard(s)", lambda: action(scene))

    @staticmethod
    def judge_proxy(arguments, report, busybox):
        with Bed() as bed:
            try:
                with proxied_engine.Scene(bed, arguments.ringway, arguments.agent, busybox) as scene:
                    for name, action in proxied_engine.CASES.items():
                        report.judge(name, "proxy", lambda: action(scene))
            except Failure as failure:
                report.add("engine", "proxy", "FAIL", str(failure), 0)

    @staticmethod
    def judge_machine(arguments, report):
        with Bed() as bed:
            web = transfers.WebServer(bed, 16 * transfers.MEBIBYTE)
            Registry(bed)
            try:
                machine_engine.judge_machine(bed, report, arguments.machine, arguments.ringway, web)
            except Failure as failure:
                report.add("machine", arguments.machine, "FAIL", str(failure), 0)
