"""Ringway's targets in proportion to its peers, and whether this run has met them."""

import dataclasses

OURS = "ringway"


@dataclasses.dataclass(frozen=True)
class Target:
    text: str
    # The ratio found, and whether it meets the target; None when something was not measured.
    found: str
    met: bool | None


class Judge:
    """Compares medians. `bound` is the least, or the largest, ratio of Ringway's value to the other's."""

    def __init__(self, results, names):
        self.results = results
        self.pasta = [name for name in names if "pasta" in name]
        self.user = [name for name in names if name.startswith(
            ("pasta", "newer-pasta", "slirp4netns", "gvproxy", "vpnkit"))]
        self.targets = []

    def compare(self, text, place, others, sign, bound, ours=OURS):
        """`others` are peers of which the best counts, in comparison with ours."""
        measure, case, metric = place
        ours = self.results.median(measure, case, metric, ours)
        best = self.results.best(measure, case, metric, others, "higher" if sign == ">=" else "lower")
        shown = f"{text} {'≥' if sign == '>=' else '≤'} {bound:g} ×"
        if ours is None or best is None:
            self.targets.append(Target(shown, "not measured", None))
            return
        name, theirs = best
        if not theirs:
            met = ours >= 0 if sign == ">=" else ours <= 0
            self.targets.append(Target(shown, f"{ours:.3g} to 0 ({name})", met))
            return
        ratio = ours / theirs
        met = ratio >= bound if sign == ">=" else ratio <= bound
        self.targets.append(Target(shown, f"{ratio:.2f} × ({name})", met))

    def limit(self, text, place, bound, unit):
        measure, case, metric = place
        ours = self.results.median(measure, case, metric, OURS)
        shown = f"{text} ≤ {bound:g} {unit}".strip()
        self.targets.append(
            Target(shown, "not measured", None) if ours is None else
            Target(shown, f"{ours:.2f} {unit}".strip(), ours <= bound))

    def through_agent(self, text, case, way):
        """A forward through the agent beside a connection on the loopback, which no case of its own measures."""
        ours = self.results.median("published", case, "rate", "agent")
        plain = self.results.median("tcp", f"1-{way}", "rate", "loopback")
        shown = f"Through the agent, client on loopback, {text}: loopback ≥ 0.6 ×"
        if ours is None or not plain:
            self.targets.append(Target(shown, "not measured", None))
            return
        self.targets.append(Target(shown, f"{ours / plain:.2f} ×", ours >= 0.6 * plain))

    def throughput(self, text, measure, case):
        place = (measure, case, "rate")
        self.compare(f"{text}: veth", place, ["veth"], ">=", 0.55)
        self.compare(f"{text}: pasta, MTU 1500", place, [p for p in self.pasta if p.endswith("-1500")], ">=", 10)
        self.compare(f"{text}: slirp4netns, MTU 1500", place, ["slirp4netns-1500"], ">=", 8)
        self.compare(f"{text}: best user-mode peer, any MTU", place, self.user, ">=", 1.15)


def judged(results, names):
    judge = Judge(results, names)
    ways = {"up": "guest to host", "down": "host to guest"}
    for streams in (1, 8):
        for way, text in ways.items():
            judge.throughput(f"TCP, {streams} stream{'s' if streams > 1 else ''}, {text}", "tcp", f"{streams}-{way}")
    for way, text in ways.items():
        judge.compare(f"Agent, TCP, {text}: Ringway on a TAP", ("tcp", f"1-{way}", "rate"), [OURS], ">=", 0.5, "agent")
    judge.through_agent("to the guest", "loopback-in", "up")
    judge.through_agent("from the guest", "loopback-out", "down")
    for way, text in ways.items():
        place = ("tcp", f"1-{way}", "machine")
        judge.compare(f"Machine's time per GB, TCP, {text}: veth", place, ["veth"], "<=", 1.65)
        # At the MTU at which it is fastest, not at the one at which it costs least.
        fastest = results.best("tcp", f"1-{way}", "rate", judge.pasta)
        judge.compare(
            f"Machine's time per GB, TCP, {text}: pasta, best MTU", place, [fastest[0]] if fastest else [], "<=",
            0.9 if way == "up" else 0.75)
    for case, text in (("outside-in", "to the guest"), ("outside-out", "from the guest")):
        judge.throughput(f"Published port, client outside, {text}", "published", case)
    for case, text in (("loopback-in", "to the guest"), ("loopback-out", "from the guest")):
        judge.compare(
            f"Published port, client on loopback, {text}: pasta spliced", ("published", case, "rate"), judge.pasta,
            ">=", 1.0)
    for name, text, bound in (("1400", "UDP, 1400 bytes", 2), ("1400-merged", "UDP_SEGMENT and GRO", 6)):
        for way, way_text in ways.items():
            case = f"{name}-{way}"
            judge.compare(
                f"{text}, {way_text}, delivered: pasta, best MTU", ("udp", case, "rate"), judge.pasta, ">=", bound)
            fastest = results.best("udp", case, "rate", judge.pasta)
            judge.compare(
                f"{text}, {way_text}, lost: pasta, best MTU", ("udp", case, "loss"), [fastest[0]] if fastest else [],
                "<=", 1)
    asked, cycled = ("exchanges", "1", "rate"), ("exchanges", "cycle", "rate")
    judge.compare("Request and response, 1 connection, rate: pasta", asked, judge.pasta, ">=", 1.15)
    judge.compare("Request and response, 1 connection, rate: veth and nftables", asked, ["veth+nat"], ">=", 0.7)
    judge.compare(
        "Request and response, 1 connection, p99: pasta", ("exchanges", "1", "p99"), judge.pasta, "<=", 1)
    judge.compare("Connect, request, close, rate: pasta", cycled, judge.pasta, ">=", 1.4)
    judge.compare("Connect, request, close, rate: veth and nftables", cycled, ["veth+nat"], ">=", 0.65)
    judge.limit("Memory for each of 10,000 idle flows", ("idle", "10000", "memory"), 4, "KiB")
    judge.limit("p99 of a busy flow among them ÷ alone", ("idle", "10000", "p99-ratio"), 1.2, "")
    judge.compare("run -- true, wall time: pasta", ("start", "true", "wall"), judge.pasta, "<=", 1)
    return judge.targets
