"""Measures: cases, each of which every peer goes through for one sample at a time."""

import dataclasses
import typing

HIGHER, LOWER = "higher", "lower"


@dataclasses.dataclass(frozen=True)
class Metric:
    name: str
    title: str
    unit: str
    better: str = HIGHER
    # Digits after the point, for people.
    digits: int = 1


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing to measure. `sample(scene, link, seconds)` gives a number for each metric, the chief one first."""

    name: str
    title: str
    metrics: tuple
    sample: typing.Callable
    publishes: bool = False
    # Without a link of its own a case is given the peer in place of it.
    needs_link: bool = True
    rounds: int | None = None
    rounds_quick: int | None = None
    # The reason to omit a peer, or nothing.
    absence: typing.Callable = lambda peer: None


@dataclasses.dataclass(frozen=True)
class Measure:
    name: str
    title: str
    text: str
    cases: tuple


def not_loopback(peer):
    return "nothing is between" if peer.name == "loopback" else None


def publishing(peer):
    return None if peer.publishes else "publishes no port here"


def resolving(peer):
    return None if peer.resolves else "answers no DNS"
