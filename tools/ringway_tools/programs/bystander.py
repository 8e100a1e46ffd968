"""Opens connections to an echo server, one after the other, and keeps them.

    bystander.py HOST PORT COUNT

Each must connect and echo. Prints "served N slowest SECONDS": how many did, and the longest that one took, from SYN to
echo. The first that does not within five seconds is the last.
"""

import socket
import sys
import time

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kept = []
slowest = 0.0
for _ in range(count):
    begun = time.monotonic()
    try:
        connection = socket.create_connection((host, port), 5)
        kept.append(connection)
        connection.sendall(b"hello")
        if connection.recv(5) != b"hello":
            break
    except OSError:
        break
    slowest = max(slowest, time.monotonic() - begun)
else:
    kept.append(None)
print(f"served {len(kept) - 1} slowest {slowest:.3f}", flush=True)
