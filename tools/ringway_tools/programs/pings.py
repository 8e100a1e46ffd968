"""Sends echo requests with many identifiers, and looks for the answer to each.

usage: pings.py ADDRESS COUNT

Prints "answered N" and how many answers there were that nothing had been asked for.
"""

import socket
import struct
import sys
import time

address, count = sys.argv[1], int(sys.argv[2])
sixth = ":" in address
family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if sixth else (socket.AF_INET, socket.IPPROTO_ICMP)
request, reply = (128, 129) if sixth else (8, 0)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


with socket.socket(family, socket.SOCK_RAW, protocol) as pings:
    pings.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    for number in range(count):
        payload = b"%08d" % number
        message = struct.pack("!BBHHH", request, 0, 0, 1_000 + number, 1) + payload
        if not sixth:
            message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        pings.sendto(message, (address, 0))
    answered, strange = set(), 0
    deadline = time.monotonic() + 10
    while len(answered) < count and time.monotonic() < deadline:
        pings.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = pings.recv(2048)
        except TimeoutError:
            break
        message = data if sixth else data[(data[0] & 15) * 4:]
        if message[0] != reply:
            continue
        number = struct.unpack("!H", message[4:6])[0] - 1_000
        if 0 <= number < count and message[8:] == b"%08d" % number:
            answered.add(number)
        else:
            strange += 1
    print("answered", len(answered), strange, flush=True)
