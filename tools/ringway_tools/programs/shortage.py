"""Guests that come while hardly a descriptor is left.

usage: shortage.py PID LINK

PID is a "ringway serve" that listens for QEMU's streams at LINK. Its limit of descriptors is set to a little more than it
has open, a bit more each time, and a machine comes each time. Prints how many machines were had, and how many not.
"""

import itertools
import os
import resource
import socket
import struct
import sys
import time

GUEST = struct.Struct("!HHBBH6s4s6s4s")


def numbers(process):
    return {int(name) for name in os.listdir(f"/proc/{process}/fd")}


def limit(process, spare):
    """The limit below which this number of descriptors is free, wherever those in use lie."""
    free = (number for number in itertools.count() if number not in numbers(process))
    return next(itertools.islice(free, spare, None))


def come(path, number):
    """A machine comes and asks for the gateway; whether it is answered."""
    mac = bytes([0x52, 0x54, 0, 0, 1, number])
    question = GUEST.pack(1, 0x800, 6, 4, 1, mac, bytes(4), bytes(6), bytes([192, 168, 127, 1]))
    frame = b"\xff" * 6 + mac + b"\x08\x06" + question
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(0.5)
        link.connect(path)
        link.sendall(struct.pack("!I", len(frame)) + frame)
        try:
            return bool(link.recv(4))
        except (TimeoutError, ConnectionResetError):
            return False


def main():
    process, path = int(sys.argv[1]), sys.argv[2]
    before = len(numbers(process))
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    outcomes = []
    for spare in range(1, 24):
        resource.prlimit(process, resource.RLIMIT_NOFILE, (limit(process, spare), hard))
        outcomes.append(come(path, spare))
        resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
        deadline = time.monotonic() + 10
        while len(numbers(process)) > before:
            if time.monotonic() > deadline:
                sys.exit(f"with {spare} to spare, descriptors stay open: {sorted(numbers(process))}")
            time.sleep(0.01)
    print(f"{outcomes.count(True)} had, {outcomes.count(False)} not, the last {'had' if outcomes[-1] else 'not'}")


main()
