"""One end of one TCP connection, doing what its arguments say, step by step.

    talk.py listen PORT STEP...          takes one connection; prints "listening" before and "from ADDRESS" after
    talk.py call HOST PORT STEP...       makes one; prints "connected", or "error NAME after SECONDS"

Steps: send:N  read:N  read-all  shut  close  reset  await:FILE. Reads print "read N DIGEST"; an error of any step is
printed as "error NAME", and ends the program.
"""

import errno
import hashlib
import os
import socket
import struct
import sys
import time


def pattern(count):
    return bytes(range(251)) * (count // 251 + 1)


def read(peer, count):
    digest = hashlib.sha256()
    total = 0
    while count is None or total < count:
        data = peer.recv(262144 if count is None else min(262144, count - total))
        if not data:
            break
        digest.update(data)
        total += len(data)
    print("read", total, digest.hexdigest()[:16], flush=True)


def perform(peer, step):
    name, _, value = step.partition(":")
    if name == "send":
        peer.sendall(pattern(int(value))[:int(value)])
    elif name == "read":
        read(peer, int(value))
    elif name == "read-all":
        read(peer, None)
    elif name == "shut":
        peer.shutdown(socket.SHUT_WR)
    elif name == "close":
        peer.close()
    elif name == "reset":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    elif name == "await":
        while not os.path.exists(value):
            time.sleep(0.005)
    else:
        sys.exit(f"unknown step {step}")


def listen(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    print("listening", flush=True)
    peer, address = server.accept()
    print("from", address[0].removeprefix("::ffff:"), flush=True)
    return peer


def call(host, port):
    started = time.monotonic()
    try:
        peer = socket.create_connection((host, port))
    except OSError as error:
        name = errno.errorcode.get(error.errno, str(error))
        print(f"error {name} after {time.monotonic() - started:.3f}", flush=True)
        sys.exit(0)
    print("connected", flush=True)
    return peer


def main():
    role, *rest = sys.argv[1:]
    if role == "listen":
        peer, steps = listen(int(rest[0])), rest[1:]
    else:
        peer, steps = call(rest[0], int(rest[1])), rest[2:]
    try:
        for step in steps:
            perform(peer, step)
    except OSError as error:
        print("error", errno.errorcode[error.errno], flush=True)


main()
