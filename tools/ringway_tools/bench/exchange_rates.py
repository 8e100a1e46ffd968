"""TCP requests and answers of 64 bytes: on connections that stay, and with a connection for each."""

from ringway_tools.bench.measure import HIGHER, LOWER, Case, Measure, Metric
from ringway_tools.bench.scene import EXCHANGE_PORT, EXCHANGE_PORTS, last_object
from ringway_tools.failure import Failure

RATE = Metric("rate", "exchanges", "1/s", HIGHER, 0)
MIDDLE = Metric("p50", "p50", "µs", LOWER, 1)
HIGH = Metric("p99", "p99", "µs", LOWER, 1)


def serve(scene):
    return scene.serve([scene.exchanges, "serve", EXCHANGE_PORT, EXCHANGE_PORTS])


def figures(text):
    report = last_object(text, "the client")
    if report["exchanges"] == 0:
        raise Failure("no exchange was answered")
    if report["failures"] > report["exchanges"] / 100:
        raise Failure(f"{report['failures']} connections failed, {report['exchanges']} exchanges went through")
    return {"rate": report["exchanges"] / report["seconds"], "p50": report["p50"], "p99": report["p99"]}


def exchange(kind, count):
    def sample(scene, link, seconds):
        with serve(scene):
            return figures(link.run(
                [scene.exchanges, kind, link.host, EXCHANGE_PORT, EXCHANGE_PORTS, seconds, count], seconds + 30))

    return sample


METRICS = (RATE, MIDDLE, HIGH)

EXCHANGES = Measure(
    "exchanges", "TCP request and response",
    "64 bytes from the guest, 64 back; one client with epoll, one server with epoll. Percentiles are of the time from "
    "request (or connect) to answer. What is still unanswered at the end counts with the time it has waited.",
    (
        Case("1", "1 connection", METRICS, exchange("ask", 1)),
        Case("64", "64 connections", METRICS, exchange("ask", 64)),
        Case("cycle", "connect, request, close; 16 at a time", METRICS, exchange("cycle", 16)),
        Case("cycle-1", "connect, request, close; one at a time", METRICS, exchange("cycle", 1)),
    ))
