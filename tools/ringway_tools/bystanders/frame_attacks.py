"""Attacks of hostile guests by frames alone."""

import socket
import time

from ringway_tools.bystanders import frames
from ringway_tools.bench.scene import EXCHANGE_PORT, EXCHANGE_PORTS
from ringway_tools.bystanders.places import BLACK_HOLE, SINK_PORT, announce, rest
from ringway_tools.bystanders.raw_guest import GATEWAY, HOST, Flood, RawGuest, Refused, connect, framed, pour

# Addresses of hostile guests count from here.
FIRST = 100


def by_link(guests, contents, rounds_per_second=None):
    return [Flood(guest.link, b"".join(map(framed, content)), rounds_per_second)
            for guest, content in zip(guests, contents)]


def after(seconds):
    """A condition that announces the attack once, after this number of seconds, and never holds."""
    start = time.monotonic()
    announced = []

    def condition():
        if not announced and time.monotonic() - start > seconds:
            announced.append(True)
            announce()
        return False

    return condition


class FlowTaker:
    """Opens connections to the host's servers, keeps the established ones, and opens more."""

    WINDOW = 256
    TIMEOUT = 0.5

    def __init__(self, guest):
        self.guest = guest
        self.next = 0
        self.asked = {}
        self.held = 0
        self.peak = 0
        self.peak_time = time.monotonic()

    def turn(self):
        now = time.monotonic()
        # The oldest come first.
        for key, time_asked in list(self.asked.items()):
            if now - time_asked < self.TIMEOUT:
                break
            del self.asked[key]
        while len(self.asked) < self.WINDOW and len(self.guest.pending) < 1 << 16:
            key = (1_024 + self.next // EXCHANGE_PORTS % 64_000, EXCHANGE_PORT + self.next % EXCHANGE_PORTS)
            self.next += 1
            self.asked[key] = now
            self.guest.send(self.guest.segment(key[0], HOST, key[1], 1_000, 0, frames.SYN))
        self.guest.wait(now + 0.01)
        self.guest.flush()
        for frame in self.guest.received():
            segment = frames.Segment.of(frame)
            if segment is None:
                continue
            key = (segment.port, segment.source_port)
            if segment.flags & frames.RST:
                if self.asked.pop(key, None) is None:
                    self.held -= 1
            elif segment.flags & frames.SYN and self.asked.pop(key, None) is not None:
                self.held += 1
                self.guest.send(
                    self.guest.segment(key[0], HOST, key[1], 1_001, segment.sequence + 1, frames.ACK))
        if self.held > self.peak:
            self.peak, self.peak_time = self.held, time.monotonic()

    def take_all(self, seconds=6.0):
        """Until no more has been had for half a second."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and (self.peak == 0 or time.monotonic() - self.peak_time < 0.5):
            self.turn()


def flows(places):
    """Connections until no descriptor is left (finding 3)."""
    taker = FlowTaker(RawGuest(places.link, FIRST))
    taker.take_all()
    announce(f"{taker.held} flows")
    while True:
        taker.turn()


def udp_mappings(places):
    """Three guests with 8,192 UDP mappings each, which are used again every second (finding 3)."""
    guests = [RawGuest(places.link, FIRST + number) for number in range(3)]
    floods = by_link(guests, [
        [guest.datagram(2_000 + port, HOST, SINK_PORT, bytes(16)) for port in range(8_192)] for guest in guests], 2)
    until = time.monotonic() + 5
    pour(floods, lambda: all(flood.rounds for flood in floods) or time.monotonic() > until)
    announce()
    pour(floods)


def udp_flood(places):
    """A mapping with each datagram, as fast as the link takes them."""
    guest = RawGuest(places.link, FIRST)
    content = [guest.datagram(1_024 + port, HOST, SINK_PORT, bytes(16)) for port in range(60_000)]
    pour(by_link([guest], [content]), after(0.5))


def pings(places):
    """Ten guests with 256 ping mappings each, a hundred echoes a second of each (finding 14)."""
    guests = [RawGuest(places.link, FIRST + number) for number in range(10)]
    floods = by_link(guests, [
        [guest.echo(HOST, identifier, 1) for identifier in range(1, 257)] for guest in guests], 100 / 256)
    # All mappings at once, for a start.
    for flood in floods:
        flood.start -= 2.56
    pour(floods, after(1.5))


def dns(places):
    """4,096 names that no server answers, each from a port of its own, a second (finding 9)."""
    guest = RawGuest(places.link, FIRST)
    content = []
    for number in range(8_192):
        query = frames.query(number, f"bad{number}.test")
        content.append(guest.datagram(2_000 + number % 4_096, GATEWAY, 53, query))
    floods = by_link([guest], [content], 0.5)
    # The first 4,096 at once.
    floods[0].start -= 1
    pour(floods, after(1))


def syn_flood(places):
    """SYNs from ever other ports as fast as the link takes them: to a server, and to addresses that do not answer."""
    guest = RawGuest(places.link, FIRST)
    content = []
    for number in range(30_000):
        content.append(guest.segment(1_024 + number, HOST, EXCHANGE_PORT, number, 0, frames.SYN))
        address = f"{BLACK_HOLE}.{number % 200 + 1}"
        content.append(guest.segment(1_024 + number, address, 80, number, 0, frames.SYN))
    pour(by_link([guest], [content]), after(0.5))


def neighbours(places, length):
    """Frames to another guest's ethernet address, as fast as the link takes them (finding 15)."""
    guest = RawGuest(places.link, FIRST)
    payload = bytes(length - 14 - 20 - 8)
    frame = guest.datagram(5_000, places.victim_address, 9, payload, mac=frames.mac_bytes(places.victim))
    pour(by_link([guest], [[frame] * (1 << 18 >> length.bit_length())]), after(0.5))


def guests(places):
    """Guests that come one after another, and come again where they were turned away (finding 6)."""
    present = {}
    announced = False
    while True:
        for number in range(FIRST, FIRST + 20):
            if number not in present:
                try:
                    present[number] = RawGuest(places.link, number, 0.2)
                except Refused:
                    pass
        if not announced:
            announced = True
            announce(f"{len(present)} guests")
        time.sleep(0.1)
        for number, guest in list(present.items()):
            try:
                for _ in guest.received():
                    pass
            except Refused:
                guest.close()
                del present[number]


def silent(places):
    """200 silent connections to the socket for guests, opened again after they were closed (finding 18)."""
    held = []
    announced = False
    while True:
        while len(held) < 200:
            try:
                held.append(connect(places.link, time.monotonic() + (0 if announced else 0.05)))
            except Refused:
                break
        if not announced:
            announced = True
            announce(f"{len(held)} connections")
        time.sleep(0.02)
        for link in list(held):
            try:
                if not link.recv(64):
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                link.close()
                held.remove(link)


def syn_deaf(places):
    """A guest that answers ARP and no SYN, and clients of its published port that come and leave (finding 17)."""
    guest = RawGuest(places.link, places.published_number)
    clients = []
    start, asked, announced = time.monotonic(), 0, False
    while True:
        now = time.monotonic()
        # Two thousand a second; each leaves after a tenth.
        while asked < (now - start) * 2_000:
            asked += 1
            client = socket.socket()
            client.setblocking(False)
            # Closing resets.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.connect_ex(places.published)
            clients.append((now, client))
        while clients and now - clients[0][0] > 0.1:
            clients.pop(0)[1].close()
        guest.wait(now + 0.001)
        for _ in guest.received():
            pass
        if not announced and now - start > 3:
            announced = True
            announce(f"{asked} clients")


def hold(action, places):
    """An attack, and after the end of its links the rest of its time."""
    try:
        action(places)
    except (Refused, OSError) as end:
        announce(f"ended: {end}")
    rest()
