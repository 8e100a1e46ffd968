"""Attacks of clients of the control socket."""

import select
import time

from ringway_tools.bystanders.frame_attacks import FIRST, FlowTaker
from ringway_tools.bystanders.places import announce
from ringway_tools.bystanders.raw_guest import Flood, RawGuest, Refused, connect

REQUEST = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"


def unread(places):
    """Pipelined requests on four connections, of which no answer is read (finding 11)."""
    floods = [Flood(connect(places.control, time.monotonic() + 1), REQUEST * 1_000) for _ in range(4)]
    poll = select.poll()
    by_descriptor = {flood.link.fileno(): flood for flood in floods}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLOUT)
    announce()
    while by_descriptor:
        for descriptor, events in poll.poll():
            try:
                by_descriptor[descriptor].write()
            except OSError:
                poll.unregister(descriptor)
                del by_descriptor[descriptor]


def exhausted(places):
    """Connections to the control socket while a guest holds every descriptor (finding 4)."""
    taker = FlowTaker(RawGuest(places.link, FIRST))
    taker.take_all()
    held = []
    for _ in range(200):
        try:
            held.append(connect(places.control, 0))
        except Refused:
            break
    announce(f"{taker.held} flows, {len(held)} connections")
    while True:
        taker.turn()
