"""TCP throughput by iperf3 from the guest and through published ports, and the processor time it costs."""

from ringway_tools.bench.machine import Meter
from ringway_tools.bench.measure import HIGHER, LOWER, Case, Measure, Metric, not_loopback, publishing
from ringway_tools.bench.scene import BULK_PORT, whole_report
from ringway_tools.failure import Failure

RATE = Metric("rate", "received", "Gb/s", HIGHER, 2)
BRIDGE = Metric("bridge", "bridge's processor time", "s/GB", LOWER, 3)
MACHINE = Metric("machine", "machine's processor time", "s/GB", LOWER, 3)


def transfer(scene, link, server, client, address, port, flags, seconds):
    """One run of iperf3: Gb/s received, and the processor seconds that a gigabyte took."""
    command = ["iperf3", "-c", address, "-p", port, "-t", max(1, round(seconds)), "-J", "--connect-timeout", 5000,
               *flags]
    with scene.serve(["iperf3", "-s", "-1", "-p", port, "--forceflush"], server, "Server listening"):
        meter = Meter(link.processes)
        # It reports its own errors as JSON; its status is not specific.
        text = scene.bed.run(command, client, seconds=seconds + 15, check=False)
        bridge, machine = meter.read()
    report = whole_report(text, "iperf3")
    if "error" in report:
        raise Failure(f"iperf3: {report['error']}")
    sums = [report["end"][name] for name in ("sum_received", "sum_received_bidir_reverse") if name in report["end"]]
    received = sum(each["bytes"] for each in sums)
    if received == 0:
        raise Failure("iperf3: nothing arrived")
    sample = {"rate": sum(each["bits_per_second"] for each in sums) * 1e-9, "machine": machine / received * 1e9}
    if link.processes:
        sample["bridge"] = bridge / received * 1e9
    return sample


def from_guest(*flags):
    def sample(scene, link, seconds):
        return transfer(scene, link, scene.host, link.guest, link.host, BULK_PORT, flags, seconds)

    return sample


def to_guest(place, *flags):
    """Through the published port, by a client outside or on the host."""
    def sample(scene, link, seconds):
        address, port = link.outside if place == "outside" else link.loopback
        client = scene.outside if place == "outside" else scene.host
        return transfer(scene, link, link.guest, client, address, port, flags, seconds)

    return sample


METRICS = (RATE, BRIDGE, MACHINE)

TCP = Measure(
    "tcp", "TCP throughput",
    "iperf3 in the guest, its server on the host. Processor time is that of the bridge's threads, and that of the "
    "whole machine: client, server, bridge and kernel.",
    (
        Case("1-up", "1 stream, guest to host", METRICS, from_guest()),
        Case("1-down", "1 stream, host to guest", METRICS, from_guest("-R")),
        Case("8-up", "8 streams, guest to host", METRICS, from_guest("-P", "8")),
        Case("8-down", "8 streams, host to guest", METRICS, from_guest("-P", "8", "-R")),
        Case("both", "1 stream each way at once", METRICS, from_guest("--bidir")),
    ))


def reachable_from_outside(peer):
    return not_loopback(peer) or publishing(peer)


PUBLISHED = Measure(
    "published", "Published port",
    "iperf3's server in the guest, its client outside (a namespace with a cable to the host) or on the host's "
    "loopback. A veth pair's guest is reached by routing; behind nftables its port is published by the router.",
    (
        Case("outside-in", "client outside, to the guest", METRICS, to_guest("outside"), publishes=True,
             absence=reachable_from_outside),
        Case("outside-out", "client outside, from the guest", METRICS, to_guest("outside", "-R"), publishes=True,
             absence=reachable_from_outside),
        Case("loopback-in", "client on the host, to the guest", METRICS, to_guest("host"), publishes=True,
             absence=publishing),
        Case("loopback-out", "client on the host, from the guest", METRICS, to_guest("host", "-R"), publishes=True,
             absence=publishing),
    ))
