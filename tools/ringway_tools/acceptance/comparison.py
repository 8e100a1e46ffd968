"""Throughput against a veth pair, measured in turns in one run."""

import statistics

from ringway_tools.acceptance.transfers import iperf_report
from ringway_tools.failure import Failure

RATIO = 0.35


def throughput(runner, address, flags, seconds):
    end = iperf_report(runner(["iperf3", "-c", address, "-p", 5202, "-t", seconds, "-J", *flags], seconds=60))
    return end["sum_received"]["bits_per_second"] * 1e-9


def against_veth(bed, guest, rounds, seconds):
    """Medians of the rounds, each of which measures both sides, so that changes of the machine's speed affect both."""
    peer = bed.namespace("veth")
    bed.link(bed.host, peer, "10.77.9")
    server = bed.start(["iperf3", "-s", "-p", 5202], bed.host)
    bed.await_port(5202, bed.host)
    sides = {
        "bridge": (guest.run, guest.HOST4),
        "veth": (lambda arguments, **options: bed.run(arguments, peer, **options), "10.77.9.1"),
    }
    texts, worst = [], None
    for way, flags in (("guest to host", []), ("host to guest", ["-R"])):
        rates = {side: [] for side in sides}
        for _ in range(rounds):
            for side, (runner, address) in sides.items():
                rates[side].append(throughput(runner, address, flags, seconds))
        medians = {side: statistics.median(values) for side, values in rates.items()}
        ratio = medians["bridge"] / medians["veth"]
        worst = ratio if worst is None else min(worst, ratio)
        texts.append(f"{way} {medians['bridge']:.1f} of veth's {medians['veth']:.1f} Gb/s = {ratio:.2f}")
    bed.stop(server)
    text = "; ".join(texts) + f" (medians of {rounds} × {seconds} s, MTU 1500)"
    if worst < RATIO:
        raise Failure(f"{text}: less than {RATIO}")
    return text
