"""Prints the frames that arrive at this namespace's eth0 from an ethernet address.

usage: watch.py MAC

Prints "listening", then a line for each frame but ARP and neighbour discovery of the ordinary kind, until one with the
text "that was all", which is said and ends it.
"""

import socket
import struct
import sys


def describe(frame):
    kind, = struct.unpack_from(">H", frame, 12)
    if kind == 0x0800:
        return f"ipv4 protocol {frame[23]} fragment {frame[20:22].hex()} {frame[34:38].hex()}"
    if kind == 0x86DD:
        if frame[20] == 58 and frame[54] in (135, 136):
            return None
        return f"ipv6 protocol {frame[20]} {frame[54:62].hex()}"
    return None


link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
link.bind(("eth0", 0))
sender = bytes.fromhex(sys.argv[1].replace(":", ""))
print("listening", flush=True)
while True:
    frame = link.recv(1 << 16)
    if frame[6:12] != sender:
        continue
    if b"that was all" in frame:
        print("that was all", flush=True)
        break
    if line := describe(frame):
        print(line, flush=True)
