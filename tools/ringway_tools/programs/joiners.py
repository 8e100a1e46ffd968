"""Many guests that join at once, by QEMU's framing.

    joiners.py LINK COUNT

Each asks for the gateway as soon as it is connected, and stays. Prints "joined N refused M" when each has its answer, or
its link was closed, or has neither within ten seconds; then waits for the end of its standard input.
"""

import resource
import select
import socket
import struct
import sys
import time

GUEST = struct.Struct("!HHBBH6s4s6s4s")
path, count = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def question(number):
    mac = bytes([0x52, 0x54, 0, 7, number >> 8, number & 255])
    body = GUEST.pack(1, 0x800, 6, 4, 1, mac, bytes(4), bytes(6), bytes([192, 168, 127, 1]))
    frame = b"\xff" * 6 + mac + b"\x08\x06" + body
    return struct.pack("!I", len(frame)) + frame


waiter = select.poll()
links = {}
for number in range(count):
    link = socket.socket(socket.AF_UNIX)
    link.setblocking(False)
    deadline = time.monotonic() + 10
    while link.connect_ex(path) != 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    try:
        link.sendall(question(number))
    except OSError:
        pass
    links[link.fileno()] = link
    waiter.register(link.fileno(), select.POLLIN)
joined, refused = set(), set()
deadline = time.monotonic() + 10
while len(joined) + len(refused) < count and time.monotonic() < deadline:
    for descriptor, _ in waiter.poll(100):
        try:
            data = links[descriptor].recv(65536)
        except OSError:
            data = b""
        waiter.unregister(descriptor)
        (joined if data else refused).add(descriptor)
print(f"joined {len(joined)} refused {len(refused)}", flush=True)
sys.stdin.read()
