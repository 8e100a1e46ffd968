#!/usr/bin/env python3
"""Many TCP connections from one process, with data checked end to end; for tests and measurements.

    flows.py serve  PORTS [--greet]                         echo on [::] and 0.0.0.0; "listening" once it does
    flows.py hold   HOST PORTS COUNT [--bytes N]            COUNT connections at once, N bytes out and back on each
    flows.py cycle  HOST PORTS COUNT [--at-once N]          COUNT times connect, one message out and back, close
    flows.py greet  HOST PORTS                              each port once; counts who the server says its client is

PORTS is a port or a range such as 7000-7999. The last line of output is one JSON object; the exit status is 0 when
nothing was lost. With --greet the server first says the client's address and port in one line.
"""

import argparse
import collections
import errno
import itertools
import json
import resource
import select
import socket
import sys
import time

CHUNK = 65536


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def port_range(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def listeners(ports):
    for port in ports:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address, port))
            listener.listen(8192)
            yield listener


class Server:
    """Echoes each connection until its client has closed its side, then closes too."""

    def __init__(self, ports, greets):
        self.greets = greets
        self.poll = select.epoll()
        self.listening = {listener.fileno(): listener for listener in listeners(ports)}
        self.open = {}
        self.backlog = {}
        self.ended = set()
        for descriptor in self.listening:
            self.poll.register(descriptor, select.EPOLLIN)

    def run(self):
        print("listening", flush=True)
        while True:
            for descriptor, events in self.poll.poll():
                if descriptor in self.listening:
                    self.accept(self.listening[descriptor])
                else:
                    self.serve(descriptor, events)

    def accept(self, listener):
        for _ in range(256):
            try:
                connection, address = listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            descriptor = connection.fileno()
            self.open[descriptor] = connection
            self.backlog[descriptor] = bytearray()
            self.poll.register(descriptor, select.EPOLLIN)
            if self.greets:
                self.backlog[descriptor] += f"{address[0]} {address[1]}\n".encode()
                self.flush(descriptor)

    def serve(self, descriptor, events):
        try:
            if events & select.EPOLLIN:
                piece = self.open[descriptor].recv(CHUNK)
                if piece:
                    self.backlog[descriptor] += piece
                else:
                    self.ended.add(descriptor)
            elif events & (select.EPOLLERR | select.EPOLLHUP):
                self.close(descriptor)
                return
        except BlockingIOError:
            pass
        except OSError:
            self.close(descriptor)
            return
        self.flush(descriptor)

    def flush(self, descriptor):
        backlog = self.backlog[descriptor]
        try:
            while backlog:
                del backlog[:self.open[descriptor].send(backlog)]
        except BlockingIOError:
            # Bytes that the client does not read stay here, and nothing more is read from it meanwhile.
            self.poll.modify(descriptor, select.EPOLLOUT)
            return
        except OSError:
            self.close(descriptor)
            return
        if descriptor in self.ended:
            self.close(descriptor)
        else:
            self.poll.modify(descriptor, select.EPOLLIN)

    def close(self, descriptor):
        self.poll.unregister(descriptor)
        self.open.pop(descriptor).close()
        self.backlog.pop(descriptor)
        self.ended.discard(descriptor)


class Flow:
    """One client connection, with the bytes still to send and to receive."""

    __slots__ = ("socket", "outgoing", "expected", "sent", "received", "stage")

    def __init__(self, connection, payload):
        self.socket = connection
        self.outgoing = payload
        self.expected = payload
        self.sent = 0
        self.received = 0
        self.stage = "connecting"


class Client:
    """Drives connections through an echo server and counts their results."""

    def __init__(self, host, ports, timeout):
        self.targets = itertools.cycle(self.resolve(host, ports))
        self.poll = select.epoll()
        self.flows = {}
        self.timeout = timeout
        self.progress = time.monotonic()
        self.failures = collections.Counter()
        self.connecting = 0
        self.verified = 0

    @staticmethod
    def resolve(host, ports):
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        return [(family, (address[0], port)) for port in ports]

    def connect(self, payload):
        family, address = next(self.targets)
        try:
            connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            self.failures[errno.errorcode[error.errno]] += 1
            return
        flow = Flow(connection, payload)
        status = connection.connect_ex(address)
        if status not in (0, errno.EINPROGRESS):
            self.failures[errno.errorcode[status]] += 1
            connection.close()
            return
        self.flows[connection.fileno()] = flow
        self.connecting += 1
        self.poll.register(connection.fileno(), select.EPOLLOUT)

    def turn(self):
        """Handles ready connections. False after a timeout without progress."""
        events = self.poll.poll(1)
        for descriptor, _ in events:
            flow = self.flows[descriptor]
            try:
                self.advance(descriptor, flow)
            except BlockingIOError:
                pass
            except OSError as error:
                self.fail(descriptor, flow, errno.errorcode.get(error.errno, str(error.errno)))
        if events:
            self.progress = time.monotonic()
        return time.monotonic() - self.progress < self.timeout

    def advance(self, descriptor, flow):
        if flow.stage == "connecting":
            status = flow.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if status:
                self.fail(descriptor, flow, errno.errorcode[status])
                return
            self.connecting -= 1
            self.established(descriptor, flow)
        elif flow.stage == "sending":
            if flow.sent < len(flow.outgoing):
                flow.sent += flow.socket.send(memoryview(flow.outgoing)[flow.sent:flow.sent + CHUNK])
            self.receive(descriptor, flow)
            if flow.stage == "sending" and flow.sent == len(flow.outgoing):
                flow.stage = "receiving"
                self.poll.modify(descriptor, select.EPOLLIN)
        elif flow.stage == "receiving":
            self.receive(descriptor, flow)
        else:
            # A held connection is idle: any event is its end.
            self.fail(descriptor, flow, "lost while held" if not flow.socket.recv(1) else "stray data")

    def receive(self, descriptor, flow):
        try:
            piece = flow.socket.recv(CHUNK)
        except BlockingIOError:
            return
        if piece != flow.expected[flow.received:flow.received + len(piece)]:
            self.fail(descriptor, flow, "corrupted")
        elif not piece:
            self.fail(descriptor, flow, "ended early")
        else:
            flow.received += len(piece)
            if flow.received == len(flow.expected):
                self.verified += 1
                self.finished(descriptor, flow)

    def send(self, descriptor, flow):
        flow.stage = "sending"
        self.poll.modify(descriptor, select.EPOLLIN | select.EPOLLOUT)

    def fail(self, descriptor, flow, reason):
        if flow.stage == "connecting":
            self.connecting -= 1
        self.failures[reason] += 1
        self.drop(descriptor, flow)

    def drop(self, descriptor, flow):
        self.poll.unregister(descriptor)
        del self.flows[descriptor]
        flow.stage = "dropped"
        flow.socket.close()

    def abandon(self):
        for descriptor, flow in list(self.flows.items()):
            self.fail(descriptor, flow, f"nothing for {self.timeout} s while {flow.stage}")


def pattern(index, length):
    """Content that differs from flow to flow, so that mixed-up flows show."""
    word = (index * 2654435761 & 0xFFFFFFFF).to_bytes(4, "big")
    return (word * (length // 4 + 1))[:length]


class Holder(Client):
    """All connections first, then data on all of them at once."""

    def established(self, descriptor, flow):
        flow.stage = "held"
        self.poll.modify(descriptor, select.EPOLLIN)

    def finished(self, descriptor, flow):
        flow.stage = "held"
        self.poll.modify(descriptor, select.EPOLLIN)

    def run(self, count, length):
        started = time.monotonic()
        opened = 0
        while opened < count or self.connecting:
            while opened < count and self.connecting < 512:
                self.connect(pattern(opened, length))
                opened += 1
            if not self.turn():
                break
        established = len(self.flows) - self.connecting
        connected = time.monotonic()
        for descriptor, flow in self.flows.items():
            if flow.stage == "held":
                self.send(descriptor, flow)
        while any_unfinished(self.flows) and self.turn():
            pass
        if any_unfinished(self.flows):
            self.abandon()
        finished = time.monotonic()
        return {
            "asked": count, "established": established, "verified": self.verified, "bytes": length,
            "failures": dict(self.failures), "connectSeconds": round(connected - started, 3),
            "dataSeconds": round(finished - connected, 3),
        }


def any_unfinished(flows):
    return any(flow.stage != "held" for flow in flows.values())


class Cycler(Client):
    """One short exchange per connection, many after another."""

    def established(self, descriptor, flow):
        self.send(descriptor, flow)

    def finished(self, descriptor, flow):
        self.drop(descriptor, flow)

    def run(self, count, at_once):
        started = time.monotonic()
        opened = 0
        while opened < count or self.flows:
            while opened < count and len(self.flows) < at_once:
                self.connect(pattern(opened, 32))
                opened += 1
            if not self.turn():
                self.abandon()
                break
        seconds = time.monotonic() - started
        return {
            "asked": count, "verified": self.verified, "failures": dict(self.failures),
            "seconds": round(seconds, 3), "perSecond": round(self.verified / seconds),
        }


def greet(host, ports, timeout):
    """The address that the server at each port sees its client at: the client's own, unless it is translated."""
    clients = collections.Counter()
    failures = collections.Counter()
    for family, address in Client.resolve(host, ports):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                connection.settimeout(timeout)
                connection.connect(address)
                line = connection.makefile("r").readline().split()
                clients[line[0] if line else "none"] += 1
        except OSError as error:
            failures[type(error).__name__] += 1
    return {"asked": len(ports), "verified": sum(clients.values()), "clients": clients, "failures": failures}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    serve = actions.add_parser("serve")
    serve.add_argument("ports", type=port_range)
    serve.add_argument("--greet", action="store_true")
    for name in ("hold", "cycle", "greet"):
        action = actions.add_parser(name)
        action.add_argument("host")
        action.add_argument("ports", type=port_range)
        action.add_argument("--timeout", type=float, default=20, help="seconds without any progress")
        if name != "greet":
            action.add_argument("count", type=int)
        if name == "hold":
            action.add_argument("--bytes", type=int, default=16384)
        if name == "cycle":
            action.add_argument("--at-once", type=int, default=64)
    arguments = parser.parse_args()
    raise_descriptor_limit()
    if arguments.action == "serve":
        Server(arguments.ports, arguments.greet).run()
    if arguments.action == "greet":
        report = greet(arguments.host, arguments.ports, arguments.timeout)
    elif arguments.action == "hold":
        report = Holder(arguments.host, arguments.ports, arguments.timeout).run(arguments.count, arguments.bytes)
    else:
        report = Cycler(arguments.host, arguments.ports, arguments.timeout).run(arguments.count, arguments.at_once)
    print(json.dumps(report))
    sys.exit(0 if report["verified"] == report["asked"] else 1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
