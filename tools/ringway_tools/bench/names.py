"""DNS: queries of the guest to the resolver that the peer offers, which asks a server on the host."""

from ringway_tools.bench.measure import HIGHER, LOWER, Case, Measure, Metric, resolving
from ringway_tools.bench.scene import HOST, last_object
from ringway_tools.failure import Failure

RATE = Metric("rate", "answers", "1/s", HIGHER, 0)
MIDDLE = Metric("p50", "p50", "µs", LOWER, 0)
HIGH = Metric("p99", "p99", "µs", LOWER, 0)
LOST = Metric("lost", "unanswered for 1 s", "%", LOWER, 2)


def queries(outstanding):
    def sample(scene, link, seconds):
        if not link.resolver:
            raise Failure("there is no resolver")
        with scene.serve(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
             "--bind-interfaces", f"--listen-address={HOST}", "--address=/bench.test/10.1.2.3", "--user=root",
             "--pid-file=", "--log-facility=-", "--dns-forward-max=2000"], until="started"):
            report = last_object(
                link.run([scene.datagrams, "query", link.resolver, 53, seconds, outstanding], seconds + 10),
                "the client")
        if report["answered"] == 0:
            raise Failure("no query was answered")
        return {
            "rate": report["answered"] / report["seconds"], "p50": report["p50"], "p99": report["p99"],
            "lost": 100 * report["lost"] / (report["answered"] + report["lost"]),
        }

    return sample


METRICS = (RATE, MIDDLE, HIGH, LOST)

NAMES = Measure(
    "dns", "DNS queries",
    "A queries for names of which no two are alike, each socket asking again as soon as it is answered; dnsmasq on the "
    "host knows the answers. A veth pair's guest asks it directly, so this is what dnsmasq can do.",
    (
        Case("1", "1 at a time", METRICS, queries(1), absence=resolving),
        Case("32", "32 at a time", METRICS, queries(32), absence=resolving),
    ))
