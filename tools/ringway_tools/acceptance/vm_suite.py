"""QEMU guests behind Ringway."""

from ringway_tools.acceptance import crowd, machines
from ringway_tools.acceptance.suite import Suite
from ringway_tools.failure import Failure
from ringway_tools.paths import PERF, STATIC_AGENT
from ringway_tools.testbed.bed import Bed
from ringway_tools.vm.kernel import Kernel
from ringway_tools.vm.packages import PackageCache

LINKS = [*machines.WAYS, *machines.INSIDE, "crowd"]


class VMSuite(Suite):
    name = "vm"
    summary = "QEMU guests on every link, and everything inside a guest on its kernel"
    description = """QEMU guests behind Ringway: PASS or FAIL for each case and each link.

A small guest (tools/vm) is booted on the link and does what machines do with a network. Needs root and a release build
(swift build -c release --product ringway). Everything happens in namespaces of its own, which are gone at the end.
"""
    epilog = """
links
  tap         QEMU's TAP on a bridge with the one of "ringway attach"
  qemu        -netdev stream on a socket of "ringway serve"
  qemu-dgram  -netdev dgram likewise
  vpnkit      through a small client of VPNKit's protocol
  run, run-2  Ringway, the host's servers and a guest of "ringway run", with one and two queues, all in the machine and
              on its kernel
  run-epoll   as "run", with --reactor epoll
  vsock, vsock-2
              likewise, "ringway serve" and the agent in a namespace, by AF_VSOCK

  crowd       several machines on one socket of "ringway serve", with cases of their own

cases
  lease              DHCP gives address, mask, router and name server
  autoconfiguration  a router advertisement gives an IPv6 address and the default route
  names              A and AAAA over UDP and TCP, NXDOMAIN
  echoes             ping of gateway and host over IPv4 and IPv6
  files4, files6     256 MiB down and back up by curl, equal to the bit
  iperf4, iperf6     iperf3 both ways, and UDP

cases of the crowd
  killed      one of three machines is killed in mid-transfer: the others finish, the host's server meets a reset, the
              machine comes back to its lease, nothing is left
  neighbours  a file from one machine to the other
  isolated    with --isolate they reach the host, and not each other
  spoofed     frames with another's address are dropped and counted
"""
    title = "Acceptance with machines"
    page = PERF / "acceptance-vm.md"
    setting = "link"
    conditions = "that the emulated machine, bridge and servers share"
    needs = (
        "ip=iproute2", "ss=iproute2", "sysctl=procps", "curl=curl", "iperf3=iperf3", "dig=dnsutils",
        "nginx=nginx-light", "dnsmasq=dnsmasq-base", "qemu-system-x86_64=qemu-system-x86",
    )

    def cases(self):
        return [*machines.CASES, *crowd.CASES]

    def add_options(self, parser):
        parser.add_argument("--link", action="append", choices=LINKS, help="repeatable (default: all)")
        parser.add_argument("--shards", type=int, default=1, metavar="N", help="shards of the TAP link (default: 1)")
        parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
        parser.add_argument("--agent", default=str(STATIC_AGENT),
                            help="the agent's binary, for the links that need it")

    def judge(self, arguments, report):
        # The machines are started in namespaces that reach no mirror.
        packages = PackageCache.of_user()
        Kernel.of_debian(packages)
        packages.unpacked("busybox-static")
        cases = [name for name in machines.CASES if name in (arguments.cases or machines.CASES)]
        judge = machines.Judge(report, arguments.ringway, arguments.agent, arguments.shards, arguments.quick, cases)
        for name in arguments.link or LINKS:
            if name == "crowd":
                self.judge_crowd(arguments, report)
                continue
            with Bed() as bed:
                try:
                    judge.judge(bed, name)
                except Failure as failure:
                    report.add("guest", name, "FAIL", str(failure), 0)

    def judge_crowd(self, arguments, report):
        for name, action in crowd.CASES.items():
            if self.wants(arguments, name):
                with Bed() as bed:
                    report.judge(
                        name, "crowd", lambda: action(bed, arguments.ringway, 16 if arguments.quick else 256))
