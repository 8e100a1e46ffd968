"""Connects without a reply, and then one that succeeds.

    scan.py SILENT COUNT HOST PORT    prints the seconds that the last connect took
"""

import socket
import sys
import time

silent, count, host, port = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
waiting = []
for number in range(count):
    attempt = socket.socket()
    attempt.setblocking(False)
    attempt.connect_ex((silent, 1000 + number))
    waiting.append(attempt)
started = time.monotonic()
socket.create_connection((host, port), timeout=30).close()
print(f"{time.monotonic() - started:.3f}", flush=True)
