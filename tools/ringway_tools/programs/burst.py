"""Datagrams in quick succession, each numbered and of its own content.

    burst.py serve ADDRESS PORT             sends each datagram back; prints "listening"
    burst.py call ADDRESS PORT SIZE...      sends one datagram of each size, and waits for all of them to come back

Datagrams may be cut on their way: over IPv4 by any router; over IPv6 by their sender alone, so that each first one of the
greatest size is sent until it comes back, and both ends know the path.

"call" prints the sizes of the answers in the order of reception, and fails when one differs from what was sent.
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
if family == socket.AF_INET:
    # IP_MTU_DISCOVER, IP_PMTUDISC_DONT
    end.setsockopt(socket.IPPROTO_IP, 10, 0)
if kind == "serve":
    end.bind((address, port))
    print("listening", flush=True)
    while True:
        data, client = end.recvfrom(65536)
        end.sendto(data, client)
sizes = [int(size) for size in sys.argv[4:]]
end.settimeout(5)
end.connect((address, port))
if family == socket.AF_INET6:
    end.settimeout(0.2)
    for attempt in range(50):
        try:
            end.send(bytes([255]) * max(sizes))
            end.recv(65536)
            break
        except OSError:
            # Silence, or word of the path's MTU.
            continue
    end.settimeout(5)
sent = [content(number, size) for number, size in enumerate(sizes)]
for data in sent:
    end.send(data)
arrived = []
while len(arrived) < len(sent):
    data = end.recv(65536)
    if data[0] == 255:
        continue
    if data != sent[data[0]]:
        sys.exit(f"datagram {data[0]} came back changed")
    arrived.append(len(data))
print(*arrived)
