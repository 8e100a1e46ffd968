"""An agent that offers a given number of queues, and stays until its input ends.

usage: raw_agent.py SOCKET QUEUES

Prints "welcome N", with the number of queues that the host says it takes, zero for all, and then "queues N", with the
number of connections for frames that the host has accepted.
"""

import os
import socket
import struct
import sys

path, count = sys.argv[1], int(sys.argv[2])
session = os.urandom(16)


def say_hello(role, body):
    channel = socket.socket(socket.AF_UNIX)
    channel.settimeout(10)
    channel.connect(path)
    hello = b"RINGWAY\0" + struct.pack("<HBB", 1, role, 0) + session + b"\0" + body
    channel.sendall(struct.pack("<IHH", len(hello), 1, 0) + hello)
    return channel


def receive(channel):
    """The kind of a message, and its body."""
    data = channel.recv(8, socket.MSG_WAITALL)
    length, kind, _ = struct.unpack("<IHH", data)
    return kind, channel.recv(length, socket.MSG_WAITALL)


offer = bytes([0x02, 0, 0, 0, 9, 1]) + struct.pack("<HHBB", count, 0, 0, 0) + b"\x03raw"
control = say_hello(1, offer)
frames = [say_hello(2, struct.pack("<HH", queue, count)) for queue in range(count)]
kind, body = receive(control)
if kind != 2:
    sys.exit(f"refused: {body[4:].decode(errors='replace')}")
print("welcome", body[7], flush=True)
print("queues", sum(receive(channel)[0] == 2 for channel in frames), flush=True)
sys.stdin.read()
