"""Datagrams in quick succession, each numbered and of its own content.

    burst.py serve ADDRESS PORT             sends each datagram back; prints "listening"
    burst.py call ADDRESS PORT SIZE...      sends one datagram of each size, and waits for all of them to come back

"call" prints the sizes of the answers in the order of their arrival, and fails when one differs from what was sent.
"""

import hashlib
import socket
import sys


def content(number, size):
    block = hashlib.sha256(str(number).encode()).digest()
    return (bytes([number]) + block * (size // len(block) + 1))[:size]


kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
end = socket.socket(family, socket.SOCK_DGRAM)
end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
if kind == "serve":
    end.bind((address, port))
    print("listening", flush=True)
    while True:
        octets, client = end.recvfrom(65536)
        end.sendto(octets, client)
sizes = [int(size) for size in sys.argv[4:]]
end.settimeout(5)
end.connect((address, port))
sent = [content(number, size) for number, size in enumerate(sizes)]
for octets in sent:
    end.send(octets)
arrived = []
while len(arrived) < len(sent):
    octets = end.recv(65536)
    if octets != sent[octets[0]]:
        sys.exit(f"datagram {octets[0]} came back changed")
    arrived.append(len(octets))
print(*arrived)
