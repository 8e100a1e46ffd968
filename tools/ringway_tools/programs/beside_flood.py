"""Two machines on a QEMU link: one floods the other with small frames, which asks the gateway for echoes meanwhile.

usage: beside_flood.py PATH COUNT

Prints "between MEDIAN MOST": how many frames of the flood lay between a request and its answer, of COUNT requests.
"""

import os
import signal
import socket
import statistics
import struct
import sys

GATEWAY = bytes([192, 168, 127, 1])
GOOD = bytes([0x52, 0x54, 0, 0, 9, 0x50]), bytes([192, 168, 127, 50])
HOSTILE = bytes([0x52, 0x54, 0, 0, 9, 0x51]), bytes([192, 168, 127, 51])


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def packet(sender, receiver, protocol, payload):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + sender + receiver
    return header[:10] + checksum(header) + header[12:] + payload


def framed(frame):
    frame = frame.ljust(60, b"\0")
    return struct.pack("!I", len(frame)) + frame


class Machine:
    """A machine that has just joined; it knows the gateway's ethernet address."""

    def __init__(self, path, mac, address):
        self.mac, self.address = mac, address
        self.rest = b""
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(path)
        question = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac + address + bytes(6) + GATEWAY
        self.link.sendall(framed(b"\xff" * 6 + mac + b"\x08\x06" + question))
        self.gateway = next(frame[6:12] for frame in self.frames() if frame[12:14] == b"\x08\x06")

    def frames(self):
        """Frames without end; frames that are not sent remain for the next caller."""
        while True:
            while len(self.rest) >= 4:
                length = int.from_bytes(self.rest[:4], "big")
                if len(self.rest) - 4 < length:
                    break
                frame = bytes(self.rest[4:4 + length])
                self.rest = self.rest[4 + length:]
                yield frame
            data = self.link.recv(1 << 16)
            if not data:
                raise SystemExit("the link is closed")
            self.rest = memoryview(bytes(self.rest) + data)


def flood(path, victim):
    machine = Machine(path, *HOSTILE)
    datagram = packet(HOSTILE[1], GOOD[1], 17, struct.pack("!HHHH", 9, 9, 18, 0) + bytes(10))
    batch = framed(victim + HOSTILE[0] + b"\x08\0" + datagram) * 512
    while True:
        machine.link.sendall(batch)


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    good = Machine(path, *GOOD)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            flood(path, GOOD[0])
        finally:
            os._exit(0 if os.getppid() == parent else 1)
    counts = []
    seen = 0
    awaited = None
    try:
        for frame in good.frames():
            if frame[12:14] == b"\x08\0" and frame[23] == 1:
                if awaited is not None and frame[40:42] == struct.pack("!H", awaited):
                    counts.append(seen)
                    awaited = None
                    seen = 0
            elif frame[6:12] == HOSTILE[0]:
                seen += 1
            if len(counts) == count:
                break
            # The flood is under way; between two requests some of it passes.
            if awaited is None and seen >= (20_000 if not counts else 500):
                awaited = len(counts) + 1
                seen = 0
                echo = struct.pack("!BBHHH", 8, 0, 0, 77, awaited) + bytes(8)
                echo = echo[:2] + checksum(echo) + echo[4:]
                good.link.sendall(
                    framed(good.gateway + GOOD[0] + b"\x08\0" + packet(GOOD[1], GATEWAY, 1, echo)))
        print("between", int(statistics.median(counts)), max(counts), flush=True)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


main()
