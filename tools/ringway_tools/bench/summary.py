"""The results in one short table, for README."""

from ringway_tools.bench.results import Results

OURS = "ringway"
# Measure, case, metric, and the words for it.
ROWS = [
    ("tcp", "1-up", "rate", "TCP, 1 stream, guest to host, Gb/s"),
    ("tcp", "1-down", "rate", "TCP, 1 stream, host to guest, Gb/s"),
    ("tcp", "8-up", "rate", "TCP, 8 streams, guest to host, Gb/s"),
    ("tcp", "8-down", "rate", "TCP, 8 streams, host to guest, Gb/s"),
    ("tcp", "1-up", "machine", "whole machine, guest to host, s/GB ↓"),
    ("tcp", "1-down", "machine", "whole machine, host to guest, s/GB ↓"),
    ("published", "outside-in", "rate", "published port, client outside, to the guest, Gb/s"),
    ("published", "loopback-in", "rate", "published port, client on the host, to the guest, Gb/s"),
    ("udp", "1400-up", "rate", "UDP, 1400 bytes, guest to host, delivered/s"),
    ("udp", "1400-down", "rate", "UDP, 1400 bytes, host to guest, delivered/s"),
    ("udp", "1400-merged-up", "rate", "the same with UDP_SEGMENT, guest to host"),
    ("udp", "1400-merged-down", "rate", "the same with UDP_SEGMENT, host to guest"),
    ("exchanges", "1", "rate", "request and response, 1 connection, 1/s"),
    ("exchanges", "1", "p99", "its p99, µs ↓"),
    ("exchanges", "cycle", "rate", "connect, request, close, 16 at a time, 1/s"),
    ("dns", "32", "rate", "DNS queries, 32 at a time, 1/s"),
    ("idle", "10000", "memory", "memory for an idle flow, KiB ↓"),
    ("start", "true", "wall", "`run -- true`, ms ↓"),
    ("ci", "64", "time", "64 downloads at once, beside 32 connections that ask, s ↓"),
]
# A column for each, of the peers with that prefix the one that does best.
COLUMNS = [
    ("÷ veth", ("veth",)), ("÷ veth and NAT", ("veth+nat",)), ("÷ pasta, MTU 1500", ("pasta-1500",)),
    ("÷ pasta, best MTU", ("pasta-1500", "pasta-65520", "pasta-65520-queue")),
    ("÷ slirp4netns, best MTU", ("slirp4netns-1500", "slirp4netns-65520")),
]


def digits(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def short_table(results: Results):
    rows = [["", "Ringway", *(title for title, _ in COLUMNS)]]
    for measure, case, metric, words in ROWS:
        ours = results.median(measure, case, metric, OURS)
        if ours is None:
            continue
        better = "lower" if words.endswith("↓") else "higher"
        cells = []
        for _, peers in COLUMNS:
            best = results.best(measure, case, metric, peers, better)
            cells.append(f"{ours / best[1]:.2f}" if best and best[1] else "")
        rows.append([words, digits(ours), *cells])
    return rows
