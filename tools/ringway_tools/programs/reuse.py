"""Many short connections to one destination, from few ports.

    reuse.py listen PORT                 takes connections and lets the other end close first; prints "listening"
    reuse.py call HOST PORT COUNT LIMIT  makes COUNT connections, one after the other, and closes each; an attempt for
                                         which there is no port is made again until LIMIT seconds have passed

The caller prints "made N, waited M times".
"""

import errno
import socket
import sys
import time


def listen(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    print("listening", flush=True)
    while True:
        peer, _ = server.accept()
        with peer:
            while peer.recv(4096):
                pass


def call(host, port, count, limit):
    deadline = time.monotonic() + limit
    made = waited = 0
    while made < count and time.monotonic() < deadline:
        try:
            with socket.create_connection((host, port), timeout=5) as peer:
                peer.sendall(b"x")
                # Our end first, so that the port is ours to wait with.
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass
            made += 1
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            waited += 1
            time.sleep(0.02)
    print(f"made {made}, waited {waited} times", flush=True)


if sys.argv[1] == "listen":
    listen(int(sys.argv[2]))
else:
    call(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
