"""What is measured of a household: mixed traffic, quiet guests beside one that floods, and what a guest costs."""

import dataclasses
import json
import statistics
import time

from ringway_tools.bench.machine import process_seconds
from ringway_tools.bystanders.places import SINK_PORT
from ringway_tools.bystanders.raw_guest import HOST
from ringway_tools.failure import Failure
from ringway_tools.guests.household import Household, asked, forget, switches

FIRST_PORT = 6_000
# The guests' roles in mixed traffic, in turn.
ROLES = ("up", "down", "ask", "datagrams")
# Of a guest's UDP, in bits a second.
DATAGRAM_RATE = "20M"
# Guests that are quiet beside one that floods.
QUIET = 8


@dataclasses.dataclass
class Figures:
    """The figures of one daemon with so many guests; None where it is not to be had."""

    # Gigabits a second, requests a second.
    throughput: float
    requests: float
    # A second, and processor seconds a second.
    switches: float
    processor: float
    # Microseconds, of the quiet guests alone and beside one that floods: the middle guest's, and the worst one's.
    p50_alone: float
    p99_alone: float
    p50: float
    p99: float
    worst_p99: float
    # Bytes, for each guest.
    resident: float
    address_space: float
    # Milliseconds.
    start_up: float
    threads: int
    descriptors: int


def rate(text):
    """Bits a second that iperf3 reports to have arrived."""
    end = json.loads(text)["end"]
    return float((end.get("sum_received") or end["sum"])["bits_per_second"])


def client(number, role, seconds):
    arguments = ["iperf3", "-J", "-c", HOST, "-p", FIRST_PORT + number, "-t", seconds]
    if role == "down":
        arguments.append("-R")
    if role == "datagrams":
        arguments += ["-u", "-b", DATAGRAM_RATE]
    return arguments


def mixed(household, seconds):
    """Every guest with its role at the same time: (bits, requests, context switches, processor seconds), a second."""
    bed = household.bed
    servers, clients, askers = [], [], []
    try:
        for number, guest in enumerate(household.guests):
            # A guest that is alone has bulk traffic both ways.
            role = ROLES[number % len(ROLES)]
            if role == "ask":
                askers.append(guest.start_asking())
                continue
            servers.append(bed.start(["iperf3", "-s", "-p", FIRST_PORT + number], bed.host))
            bed.await_port(FIRST_PORT + number, bed.host)
            clients.append((guest, number, role))
            if len(household.guests) == 1:
                servers.append(bed.start(["iperf3", "-s", "-p", FIRST_PORT + 1], bed.host))
                bed.await_port(FIRST_PORT + 1, bed.host)
                clients.append((guest, 1, "down"))
        before = switches(household.process), process_seconds([household.process])
        begun = time.monotonic()
        for asker in askers:
            forget(asker)
        running = [guest.start(client(number, role, seconds)) for guest, number, role in clients]
        bits = sum(rate(program.await_end(seconds + 30)) for program in running)
        elapsed = time.monotonic() - begun
        after = switches(household.process), process_seconds([household.process])
        requests = sum(asked(bed, asker)["answers"] for asker in askers)
        askers = []
        for program in running:
            bed.stop(program)
        return bits, requests / elapsed, (after[0] - before[0]) / elapsed, (after[1] - before[1]) / elapsed
    finally:
        for program in [*askers, *servers]:
            bed.stop(program)


def quiet(household, seconds, floods):
    """(p50, p99) of each quiet guest, in microseconds."""
    bed = household.bed
    flood = None
    try:
        if floods:
            flood = household.guests[0].start(
                ["iperf3", "-c", HOST, "-p", FIRST_PORT, "-u", "-b", "0", "-l", "64", "-t", 4 * seconds + 10])
            time.sleep(1)
            flood.require_running()
        askers = [guest.start_asking() for guest in household.guests[1:1 + QUIET]]
        time.sleep(0.5)
        for asker in askers:
            forget(asker)
        time.sleep(seconds)
        return [(counts["p50"], counts["p99"]) for counts in (asked(bed, asker) for asker in askers)]
    finally:
        if flood:
            bed.stop(flood)


def middle(values):
    return statistics.median(values) if values else None


def measure(ground, variant, size, seconds, empty):
    """The figures of a daemon with `size` guests; `empty` is the memory of one that has had a guest and has none."""
    with Household(ground, variant.binary, size, variant.options) as household:
        resident, space = household.memory()
        threads, descriptors = household.threads(), household.descriptors()
        start_up = household.start_up()
        bits, requests, switched, processor = mixed(household, seconds)
        alone, beside = [], []
        if size > 1:
            server = ground.bed.start(["iperf3", "-s", "-p", FIRST_PORT], ground.bed.host)
            ground.bed.await_port(FIRST_PORT, ground.bed.host)
            try:
                alone = quiet(household, seconds, floods=False)
                beside = quiet(household, seconds, floods=True)
            finally:
                ground.bed.stop(server)
        if household.daemon.program.process.poll() is not None:
            raise Failure("the daemon has ended")
    return Figures(
        throughput=bits / 1e9, requests=requests, switches=switched, processor=processor,
        p50_alone=middle([p50 for p50, _ in alone]), p99_alone=middle([p99 for _, p99 in alone]),
        p50=middle([p50 for p50, _ in beside]), p99=middle([p99 for _, p99 in beside]),
        worst_p99=max((p99 for _, p99 in beside), default=None),
        resident=(resident - empty[0]) / size, address_space=(space - empty[1]) / size, start_up=start_up,
        threads=threads, descriptors=descriptors)


def empty_memory(ground, variant):
    """The memory of a daemon whose first guest has gone: what there is once, whatever the guests."""
    with Household(ground, variant.binary, 0, variant.options) as household:
        household.start_up()
        time.sleep(0.5)
        return household.memory()
