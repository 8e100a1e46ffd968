"""A guest without a kernel: frames on a stream of QEMU's, as a hostile machine would write them."""

import select
import socket
import struct
import time

from ringway_tools.bystanders import frames

NETWORK = "192.168.127"
GATEWAY = f"{NETWORK}.1"
HOST = f"{NETWORK}.254"

# One write to a link.
BATCH = 1 << 16


class Refused(Exception):
    """The guest was not let in within its time."""


def framed(frame):
    """A frame as it travels on the stream."""
    return struct.pack("!I", len(frame)) + frame


def connect(path, deadline):
    """A connection to a unix socket whose queue may be full."""
    while True:
        link = socket.socket(socket.AF_UNIX)
        link.setblocking(False)
        try:
            link.connect(path)
            return link
        except OSError:
            link.close()
            if time.monotonic() > deadline:
                raise Refused("no connection") from None
            time.sleep(0.005)


class RawGuest:
    """A machine on a link, at an address of its own choice."""

    def __init__(self, path, number, seconds=5.0):
        self.mac = frames.mac_bytes(f"52:54:00:66:00:{number:02x}")
        self.address = f"{NETWORK}.{number}"
        self.deadline = time.monotonic() + seconds
        self.rest = b""
        self.pending = b""
        self.link = connect(path, self.deadline)
        self.gateway = self.resolve(GATEWAY)

    def close(self):
        self.link.close()

    def resolve(self, address):
        """The ethernet address of an IPv4 address; this is also what makes the guest known."""
        while time.monotonic() < self.deadline:
            self.send(frames.arp(1, self.mac, self.address, address))
            until = min(time.monotonic() + 0.5, self.deadline)
            while time.monotonic() < until:
                self.wait(until)
                for frame in self.received():
                    if frames.is_arp(frame, 2) and frame[28:32] == socket.inet_aton(address):
                        return frame[22:28]
        self.link.close()
        raise Refused("no answer to ARP")

    def wait(self, until):
        """Waits until bytes can be read, or pending bytes written."""
        poll = select.poll()
        poll.register(self.link, select.POLLIN | (select.POLLOUT if self.pending else 0))
        poll.poll(max(0, until - time.monotonic()) * 1_000)

    def send(self, frame):
        """Sends a frame, or keeps it until `flush` finds room."""
        self.pending += framed(frame)
        self.flush()

    def flush(self):
        try:
            while self.pending:
                self.pending = self.pending[self.link.send(self.pending):]
        except BlockingIOError:
            pass
        except OSError:
            raise Refused("the link is closed") from None

    def received(self):
        """The frames that have come; questions for the guest's own address are answered."""
        try:
            data = self.link.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            raise Refused("the link is closed") from None
        if not data:
            raise Refused("the link is closed")
        data = self.rest + data
        start, end = 0, len(data)
        while end - start >= 4:
            length, = struct.unpack_from("!I", data, start)
            if end - start - 4 < length:
                break
            frame = data[start + 4:start + 4 + length]
            start += 4 + length
            if frames.is_arp(frame, 1) and frame[38:42] == socket.inet_aton(self.address):
                self.send(frames.arp(2, self.mac, self.address, socket.inet_ntoa(frame[28:32]), frame[22:28]))
            yield frame
        self.rest = data[start:]

    def datagram(self, source_port, destination, port, payload, mac=None):
        packet = frames.ipv4(self.address, destination, 17, frames.udp(source_port, port, payload))
        return frames.ethernet(mac or self.gateway, self.mac, frames.IPV4, packet)

    def segment(self, source_port, destination, port, sequence, acknowledged, flags):
        part = frames.tcp(self.address, destination, source_port, port, sequence, acknowledged, flags)
        return frames.ethernet(self.gateway, self.mac, frames.IPV4, frames.ipv4(self.address, destination, 6, part))

    def echo(self, destination, identifier, sequence):
        packet = frames.ipv4(self.address, destination, 1, frames.echo(identifier, sequence))
        return frames.ethernet(self.gateway, self.mac, frames.IPV4, packet)


class Flood:
    """Bytes that are written to a socket again and again, as fast as it takes them or at a rate."""

    def __init__(self, link, data, rounds_per_second=None):
        self.link = link
        self.data = memoryview(data)
        self.offset = 0
        self.rounds = 0
        # Bytes that may have been written by now, where there is a rate.
        self.rate = rounds_per_second * len(data) if rounds_per_second else None
        self.start = time.monotonic()

    def allowance(self):
        if self.rate is None:
            return BATCH
        sent = self.rounds * len(self.data) + self.offset
        return int(min(BATCH, (time.monotonic() - self.start) * self.rate - sent))

    def write(self):
        """Writes the bytes that the socket accepts; false if the rate permits none now."""
        room = self.allowance()
        if room <= 0:
            return False
        try:
            self.offset += self.link.send(self.data[self.offset:self.offset + room])
        except BlockingIOError:
            return True
        if self.offset == len(self.data):
            self.offset = 0
            self.rounds += 1
        return True


def pour(floods, until=None):
    """Writes all floods and discards what comes back, until the condition holds or a link is closed."""
    poll = select.poll()
    by_descriptor = {flood.link.fileno(): flood for flood in floods}
    while by_descriptor and not (until and until()):
        waits = True
        for descriptor, flood in by_descriptor.items():
            ready = flood.allowance() > 0
            poll.register(descriptor, select.POLLIN | (select.POLLOUT if ready else 0))
            waits = waits and not ready
        for descriptor, events in poll.poll(1 if waits else 100):
            flood = by_descriptor[descriptor]
            try:
                if events & select.POLLOUT:
                    flood.write()
                if events & select.POLLIN and not flood.link.recv(1 << 18):
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(descriptor)
                del by_descriptor[descriptor]
                break
