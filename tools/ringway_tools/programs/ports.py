"""Looks at a port of the host from outside.

    ports.py thief PORT FILE       tries to have the TCP and UDP port by all means until FILE exists; prints "trying", and
                                   at the end "tries N taken M"
    ports.py ask HOST PORT TRIES   sends a datagram, again each second; prints what comes of each
    ports.py time HOST PORT        connects and reads; prints how it ended and the seconds that it took
"""

import errno
import os
import socket
import sys
import time

OPTIONS = [None, socket.SO_REUSEADDR, socket.SO_REUSEPORT]
PLACES = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")]


def takes(family, address, kind, option, port):
    with socket.socket(family, kind) as thief:
        if option is not None:
            thief.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            thief.bind((address, port))
            if kind == socket.SOCK_STREAM:
                thief.listen()
            return True
        except OSError:
            return False


def steal(port, file):
    tries, taken = 0, 0
    print("trying", flush=True)
    while not os.path.exists(file):
        for family, address in PLACES:
            for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
                for option in OPTIONS:
                    tries += 1
                    taken += takes(family, address, kind, option, port)
    print("tries", tries, "taken", taken)


def ask(host, port, tries):
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(1)
    client.connect((host, port))
    for _ in range(tries):
        try:
            client.send(b"x")
            print(client.recv(65536).decode(), flush=True)
        except TimeoutError:
            print("no answer", flush=True)
        except OSError as error:
            print(errno.errorcode[error.errno], flush=True)


def measure(host, port):
    start = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=60) as client:
            end = "data" if client.recv(1) else "end"
    except OSError as error:
        end = errno.errorcode.get(error.errno, str(error))
    print(end, f"{time.monotonic() - start:.1f}")


if sys.argv[1] == "thief":
    steal(int(sys.argv[2]), sys.argv[3])
elif sys.argv[1] == "ask":
    ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    measure(sys.argv[2], int(sys.argv[3]))
