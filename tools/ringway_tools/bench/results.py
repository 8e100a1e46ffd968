"""Samples, and the values computed from them."""

import statistics


class Results:
    """Every sample of every metric, and every failure, by measure, case and peer."""

    def __init__(self):
        self.samples = {}
        self.failures = {}

    def add(self, measure, case, peer, sample):
        for metric, value in sample.items():
            self.samples.setdefault((measure, case, metric, peer), []).append(value)

    def fail(self, measure, case, peer, reason):
        self.failures.setdefault((measure, case, peer), []).append(" ".join(str(reason).split()))

    def has(self, measure):
        return any(key[0] == measure for key in (*self.samples, *self.failures))

    def restore(self, report, replaced):
        """Copies a report's measures, except for those that are replaced."""
        for row in report["results"]:
            if row["measure"] not in replaced:
                self.samples[row["measure"], row["case"], row["metric"], row["peer"]] = row["samples"]
        for row in report["failures"]:
            if row["measure"] not in replaced:
                self.failures[row["measure"], row["case"], row["peer"]] = row["reasons"]

    def of(self, measure, case, metric, peer):
        return self.samples.get((measure, case, metric, peer), [])

    def median(self, measure, case, metric, peer):
        values = self.of(measure, case, metric, peer)
        return statistics.median(values) if values else None

    def spread(self, measure, case, metric, peer):
        """The range from the lowest to the highest sample, as a share of the median."""
        values = self.of(measure, case, metric, peer)
        median = statistics.median(values) if values else 0
        return (max(values) - min(values)) / abs(median) if median else 0.0

    def ratio(self, measure, case, metric, peer, to):
        """The first peer's median divided by the second's."""
        first, second = self.median(measure, case, metric, peer), self.median(measure, case, metric, to)
        return first / second if first is not None and second else None

    def best(self, measure, case, metric, peers, better="higher"):
        """(name, median) of the best of the peers, or nothing when none was measured."""
        known = [
            (peer, median) for peer in peers
            if (median := self.median(measure, case, metric, peer)) is not None]
        pick = max if better == "higher" else min
        return pick(known, key=lambda pair: pair[1]) if known else None
