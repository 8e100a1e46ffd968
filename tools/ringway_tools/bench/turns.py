"""The order of samples: every side in its turn, round by round, noisy ones once or twice more."""

import time

from ringway_tools.failure import Failure

# A spread above this share of the median is worth another round, twice at most.
NOISY = 0.25
MORE_ROUNDS = 2


class Progress:
    """The progress of the measurement: the present case, its figures, and the time left."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.started = time.monotonic()

    def extend(self, count):
        self.total += count

    def announce(self, measure, case, peer, turn, rounds, outcome):
        self.done += 1
        elapsed = time.monotonic() - self.started
        left = round(elapsed / self.done * (self.total - self.done))
        print(
            f"[{self.done}/{self.total}] {measure.name} {case.name:<14} round {turn}/{rounds} {peer.name:<19} {outcome}"
            f"   {left // 60}:{left % 60:02} left", flush=True)


class Turns:
    def __init__(self, scene, peers, results, rounds, seconds, quick):
        self.scene = scene
        self.peers = peers
        self.results = results
        self.rounds = rounds
        self.seconds = seconds
        self.quick = quick

    def rounds_of(self, case):
        own = case.rounds_quick if self.quick else case.rounds
        return own or self.rounds

    def sides(self, case):
        return [peer for peer in self.peers if not case.absence(peer)]

    def count(self, measures):
        return sum(self.rounds_of(case) * len(self.sides(case)) for measure in measures for case in measure.cases)

    def take(self, measures):
        progress = Progress(self.count(measures))
        for measure in measures:
            print(f"\n{measure.title}", flush=True)
            self.measure(measure, progress)

    def measure(self, measure, progress):
        # Round by round through all cases, so that a mood of the machine meets every case and every side.
        for turn in range(1, max(map(self.rounds_of, measure.cases)) + 1):
            for case in measure.cases:
                if turn <= self.rounds_of(case):
                    for peer in self.sides(case):
                        self.sample(measure, case, peer, turn, self.rounds_of(case), progress)
        if self.rounds < 3:
            return
        for turn in range(1, MORE_ROUNDS + 1):
            noisy = [
                (case, peer) for case in measure.cases if not case.rounds for peer in self.sides(case)
                if self.results.spread(measure.name, case.name, case.metrics[0].name, peer.name) > NOISY]
            progress.extend(len(noisy))
            for case, peer in noisy:
                self.sample(measure, case, peer, self.rounds + turn, self.rounds + MORE_ROUNDS, progress)

    def sample(self, measure, case, peer, turn, rounds, progress):
        try:
            if case.needs_link:
                with peer.start(self.scene, case.publishes) as link:
                    sample = case.sample(self.scene, link, self.seconds)
            else:
                sample = case.sample(self.scene, peer, self.seconds)
            self.results.add(measure.name, case.name, peer.name, sample)
            outcome = ", ".join(
                f"{sample[metric.name]:,.{metric.digits}f} {metric.unit}".strip() for metric in case.metrics
                if metric.name in sample)
        except Exception as failure:  # Whatever goes wrong on one side is that side's result.
            reason = str(failure) if isinstance(failure, Failure) else f"{type(failure).__name__}: {failure}"
            self.results.fail(measure.name, case.name, peer.name, reason)
            outcome = f"failed: {' '.join(reason.split())[:160]}"
        progress.announce(measure, case, peer, turn, rounds, outcome)
