"""Opens many connections to an echo server while one made earlier is in use, and shows what becomes of that one.

    exhaust.py HOST PORT COUNT

Prints "before ok", then "opened N", "during ok", and after it has closed the others "after ok".
"""

import errno
import socket
import sys
import time

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def exchange(connection, text):
    connection.sendall(text)
    received = b""
    while len(received) < len(text):
        data = connection.recv(65536)
        if not data:
            raise ConnectionError("ended")
        received += data
    return "ok" if received == text else "corrupted"


first = socket.create_connection((host, port), 10)
print("before", exchange(first, b"a" * 10000), flush=True)
others = []
for _ in range(count):
    other = socket.socket()
    other.setblocking(False)
    other.connect_ex((host, port))
    others.append(other)
# Each is either open or has its error when the bridge has dealt with it.
settled = set()
deadline = time.monotonic() + 10
while len(settled) < count and time.monotonic() < deadline:
    for other in others:
        if other.connect_ex((host, port)) not in (errno.EALREADY, errno.EINPROGRESS):
            settled.add(other)
    time.sleep(0.01)
opened = 0
for other in others:
    try:
        other.getpeername()
        opened += 1
    except OSError:
        pass
print("opened", opened, flush=True)
print("during", exchange(first, b"b" * 100000), flush=True)
for other in others:
    other.close()
deadline = time.monotonic() + 15
while True:
    try:
        with socket.create_connection((host, port), 2) as another:
            print("after", exchange(another, b"c" * 10000), exchange(first, b"d" * 10000), flush=True)
        break
    except OSError:
        if time.monotonic() > deadline:
            print("after: no new connection", flush=True)
            break
        time.sleep(0.05)
