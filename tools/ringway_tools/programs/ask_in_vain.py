"""Asks a nameserver for ever new names that begin with "bad", and keeps a given number of queries open until it is ended.

usage: ask_in_vain.py ADDRESS COUNT
"""

import itertools
import select
import socket
import struct
import sys

address, count = sys.argv[1], int(sys.argv[2])
sockets = []
for _ in range(64):
    each = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    each.connect((address, 53))
    each.setblocking(False)
    sockets.append(each)
numbers = itertools.count()


def ask():
    number = next(numbers)
    label = b"bad%08d" % number
    question = bytes([len(label)]) + label + b"\x04test\0\0\x01\0\x01"
    try:
        sockets[number % len(sockets)].send(struct.pack(">HHHHHH", number & 0xFFFF, 0x100, 1, 0, 0, 0) + question)
    except BlockingIOError:
        pass


for number in range(count):
    ask()
    if number % 64 == 0:
        select.select([], [], [], 0.005)
print("asked", flush=True)
while True:
    for each in select.select(sockets, [], [], 1)[0]:
        try:
            each.recv(4096)
        except BlockingIOError:
            continue
        # An answer frees a place, which is taken again at once.
        ask()
