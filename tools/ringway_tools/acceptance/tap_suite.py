"""The TAP data path at full size: `ringway run`, and the servers and clients of a host."""

import pathlib

from ringway_tools.acceptance import comparison, connections, transfers
from ringway_tools.acceptance.suite import Suite
from ringway_tools.failure import Failure
from ringway_tools.paths import PERF
from ringway_tools.testbed.bed import Bed, congestion_control
from ringway_tools.testbed.guest import Guest


def as_an_ordinary_user(bed, ringway, web, options):
    """`run` by a user without any privilege, in a user namespace."""
    copy = bed.directory / "ringway"
    copy.write_bytes(pathlib.Path(ringway).read_bytes())
    copy.chmod(0o755)
    # Distributions let every user open the device; elsewhere the bed's own device stands in for it.
    device = bed.directory / "tun"
    bed.run(["mknod", "-m", "666", device, "c", "10", "200"])
    output = bed.run(
        ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /dev/net/tun && exec setpriv "$@"', device,
         "--reuid=65534", "--regid=65534", "--clear-groups", copy, "run", *options, "--", "sh", "-c",
         "curl -sS --max-time 60 http://host.ringway.internal:8080/small | sha256sum"], bed.host)
    if not output.startswith(web.small):
        raise Failure("the download differs")
    return "user 65534: 10 MiB equal"


def cases(size):
    """Name, the options that its guest needs, and the action on bed, guest and web server."""
    return {
        "files": ([], lambda bed, guest, web: transfers.files(bed, guest, web)),
        "parallel": (
            [], lambda bed, guest, web: transfers.parallel_downloads(bed, guest, web, 200 if size == "full" else 20)),
        "iperf3": ([], lambda bed, guest, web: transfers.iperf(bed, guest, 3 if size == "full" else 1)),
        "wrk": ([], transfers.web_benchmark),
        "slow-reader": (
            [], lambda bed, guest, web: transfers.slow_readers(
                bed, guest, (256 if size == "full" else 64) << 20, 60 if size == "full" else 3)),
        "range": (
            ["-p", "9000-9999:9000-9999"],
            lambda bed, guest, web: connections.published_range(bed, guest, "9000-9999")),
        "udp": (["-p", "5300:5300/udp"], lambda bed, guest, web: connections.published_datagrams(bed, guest)),
        "flows-from-guest": (
            [], lambda bed, guest, web: connections.concurrent_from_guest(
                bed, guest, 10000 if size == "full" else 1000)),
        "flows-from-host": (
            ["-p", f"{connections.PORTS}:{connections.PORTS}"],
            lambda bed, guest, web: connections.concurrent_from_host(bed, guest, 10000 if size == "full" else 1000)),
        "flows-interface": (
            ["--no-splice", "-p", f"{connections.PORTS}:{connections.PORTS}"],
            lambda bed, guest, web: connections.concurrent_from_host(bed, guest, 10000 if size == "full" else 1000)),
        "churn": ([], lambda bed, guest, web: connections.churn(bed, guest, 50000 if size == "full" else 2000)),
        "veth": (
            [], lambda bed, guest, web: comparison.against_veth(bed, guest, 3, 3 if size == "full" else 1)),
    }


class TapSuite(Suite):
    name = "tap"
    summary = "the TAP data path: transfers, published ports, thousands of connections"
    description = """Full-size acceptance of the TAP data path: PASS or FAIL for each case and each number of shards.

Needs root, a release build (swift build -c release --product ringway) and some gigabytes in the temporary directory.
Everything happens in namespaces of its own, which are gone at the end.
"""
    title = "Acceptance"
    page = PERF / "acceptance.md"
    setting = "shards"
    needs = (
        "ip=iproute2", "ss=iproute2", "curl=curl", "iperf3=iperf3", "wrk=wrk", "nginx=nginx-light",
        "nsenter=util-linux", "sysctl=procps", "setpriv=util-linux",
    )

    def cases(self):
        return [*cases("full"), "unprivileged"]

    def add_options(self, parser):
        parser.add_argument("--shards", type=int, action="append", help="numbers of shards (default: 1 and 2)")
        parser.add_argument("--reactor", choices=["io_uring", "epoll"], help="what the bridge runs on")
        parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")

    def conditions_of(self, arguments):
        return f"that guest, bridge and servers share; congestion control {congestion_control()}, MTU 1500"

    def judge(self, arguments, report):
        known = cases("quick" if arguments.quick else "full")
        chosen = ["--reactor", arguments.reactor] if arguments.reactor else []
        for shards in arguments.shards or [1, 2]:
            for name in arguments.cases or self.cases():
                # A bed for each case, so that no case leaves anything to the next.
                with Bed() as bed:
                    needs_big = name == "files" and not arguments.quick
                    web = transfers.WebServer(bed, (1024 if needs_big else 16) * transfers.MEBIBYTE)
                    if name == "unprivileged":
                        report.judge(
                            name, shards, lambda: as_an_ordinary_user(bed, arguments.ringway, web, chosen))
                        continue
                    options, action = known[name]

                    def judged():
                        with Guest(bed, arguments.ringway, shards, [*chosen, *options]) as guest:
                            return action(bed, guest, web)

                    report.judge(name, shards, judged)
