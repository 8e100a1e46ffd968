"""Ten thousand idle connections: their memory, and their effect on the latency of a busy one."""

import resource

from ringway_tools.bench.exchange_rates import figures, serve
from ringway_tools.bench.machine import resident_bytes
from ringway_tools.bench.measure import LOWER, Case, Measure, Metric
from ringway_tools.bench.scene import EXCHANGE_PORT, EXCHANGE_PORTS
from ringway_tools.failure import Failure

COUNT = 10_000

# Descriptors that a bridge needs for other things.
SPARE_DESCRIPTORS = 1000

METRICS = (
    Metric("memory", "bridge's memory for each flow", "KiB", LOWER, 2),
    Metric("p99-ratio", "p99 among them ÷ p99 alone", "", LOWER, 2),
    Metric("p50", "p50 among them", "µs", LOWER, 1),
    Metric("p99", "p99 among them", "µs", LOWER, 1),
    Metric("p50-alone", "p50 alone", "µs", LOWER, 1),
    Metric("p99-alone", "p99 alone", "µs", LOWER, 1),
)


def affordable(link):
    """Fewer where the limit of descriptors does not allow as many to a bridge that takes several for each."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(COUNT, (limit - SPARE_DESCRIPTORS) // link.descriptors_per_flow)


def sample(scene, link, seconds):
    count = affordable(link)

    def busy():
        return figures(link.run(
            [scene.exchanges, "ask", link.host, EXCHANGE_PORT, EXCHANGE_PORTS, seconds, 1], seconds + 30))

    with serve(scene):
        alone = busy()
        before = resident_bytes(link.processes)
        with link.start([scene.exchanges, "hold", link.host, EXCHANGE_PORT, EXCHANGE_PORTS, count]) as holder:
            holder.await_text("held", 45)
            after = resident_bytes(link.processes)
            among = busy()
            if holder.process.poll() is not None:
                raise Failure("the idle connections were lost")
    sample = {
        "p99-ratio": among["p99"] / alone["p99"], "p50": among["p50"], "p99": among["p99"], "p50-alone": alone["p50"],
        "p99-alone": alone["p99"],
    }
    if link.processes:
        sample["memory"] = (after - before) / count / 1024
    return sample


IDLE = Measure(
    "idle", "10,000 idle flows",
    "Resident memory of the bridge's processes before and after the guest has opened 10,000 connections to the host, "
    "and one busy connection's exchanges without and among them. Memory of the kernel's sockets is not counted. pasta "
    "takes two descriptors for each, and gets fewer flows where the limit of descriptors is below 21,000.",
    (Case("10000", "10,000 idle connections", METRICS, sample),))
