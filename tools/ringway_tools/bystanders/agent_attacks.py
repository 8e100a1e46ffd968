"""Hostile agents: the agent protocol of RingwayAgentProtocol, as far as they need it."""

import os
import select
import socket
import struct
import time

from ringway_tools.bystanders import frames
from ringway_tools.bystanders.places import SINK_PORT, announce
from ringway_tools.bystanders.raw_guest import HOST, NETWORK, Flood, Refused, connect, pour

QUEUES = 64
# Agents at once: the daemon's bound leaves no room for more beside the good guest.
MOST = 62
MAGIC = b"RINGWAY\0"
HELLO, WELCOME = 1, 2
CONTROL, FRAMES = 1, 2
NO_OFFLOAD = bytes(12)


def hello(role, session, fields):
    body = MAGIC + struct.pack("<HBB", 1, role, 0) + session + b"\0" + fields
    return struct.pack("<IHH", len(body), HELLO, 0) + body


class Agent:
    """An agent of one guest that asks for a number of queues; as many as the protocol has, by default."""

    def __init__(self, path, number, queues=QUEUES):
        session = os.urandom(16)
        name = f"agent{number}".encode()
        self.mac = frames.mac_bytes(f"52:54:00:67:00:{number:02x}")
        self.address = ""
        self.queues = []
        self.control = self.channel(path, hello(
            CONTROL, session, self.mac + struct.pack("<HHBBB", queues, 0, 0, 0, len(name)) + name))
        try:
            for queue in range(queues):
                try:
                    self.queues.append(
                        self.channel(path, hello(FRAMES, session, struct.pack("<HH", queue, queues))))
                except Refused:
                    # The host may want fewer queues.
                    break
            self.welcomed()
        except (Refused, OSError):
            self.close()
            raise Refused("the agent was not let in") from None

    @staticmethod
    def channel(path, first):
        link = connect(path, time.monotonic() + 1)
        try:
            link.sendall(first)
        except OSError:
            link.close()
            raise Refused("the connection was closed") from None
        return link

    def welcomed(self):
        """Waits for the reply on the control connection and takes the address that it gives."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        if not poll.poll(3_000):
            raise Refused("no welcome")
        answer = self.control.recv(4_096)
        if len(answer) < 8 + 24 or struct.unpack_from("<H", answer, 4)[0] != WELCOME:
            raise Refused("a refusal")
        self.address = socket.inet_ntoa(answer[8 + 8 + 12:8 + 8 + 16])
        # Of another version's welcome the place of the address is not known.
        if not self.address.startswith(NETWORK):
            self.address = f"{NETWORK}.2"
        until = time.monotonic() + 0.5
        for link in list(self.queues):
            poll = select.poll()
            poll.register(link, select.POLLIN)
            if not poll.poll(max(0, until - time.monotonic()) * 1_000):
                continue
            # Queues beyond those that the host gives may be closed or refused.
            try:
                answer = link.recv(4_096)
            except OSError:
                answer = b""
            if len(answer) < 8 or struct.unpack_from("<H", answer, 4)[0] != WELCOME:
                link.close()
                self.queues.remove(link)

    def close(self):
        for link in (self.control, *self.queues):
            link.close()

    def floods(self):
        """Datagrams on all queues, each queue from ports of its own."""
        found = []
        for index, link in enumerate(self.queues):
            content = b""
            for port in range(32):
                packet = frames.ipv4(
                    self.address, HOST, 17, frames.udp(2_000 + 32 * index + port, SINK_PORT, bytes(16)))
                frame = NO_OFFLOAD + frames.ethernet(frames.BROADCAST, self.mac, frames.IPV4, packet)
                content += struct.pack("<I", len(frame)) + frame
            found.append(Flood(link, content * 8))
        return found


def queues(places):
    """Three agents with 64 queues each, all of them busy (finding 5)."""
    agents = []
    for number in range(3):
        try:
            agents.append(Agent(places.agents, number))
        except Refused:
            continue
    announce(f"{len(agents)} agents, {sum(len(agent.queues) for agent in agents)} queues")
    pour([flood for agent in agents for flood in agent.floods()])


def joining(places):
    """Agents with 64 queues each that come until none is let in, then with ever fewer queues, until memory is full to
    the brim; then again and again (finding 6)."""
    agents, announced, start = [], False, time.monotonic()
    while True:
        for count in (64, 32, 16, 8, 4, 2, 1):
            while len(agents) < MOST:
                try:
                    agents.append(Agent(places.agents, len(agents), count))
                except Refused:
                    break
                if not announced and time.monotonic() - start > 4:
                    break
        if not announced:
            announced = True
            announce(f"{len(agents)} agents, {sum(len(agent.queues) for agent in agents)} queues")
        time.sleep(0.1)
