"""Clients of a control socket while its process has no descriptor left.

usage: control_shortage.py PID SOCKET COUNT

PID's limit of descriptors is set to the highest that it has open, and idle clients take the numbers below that are free.
COUNT further clients connect and ask for names; each that is answered leaves. Prints the seconds of processor time that the process took in two seconds in which nothing is asked, how many
clients were answered during the shortage, and how many when it was over.
"""

import os
import resource
import selectors
import socket
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


def processor_time(process):
    fields = open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def numbers(process):
    return {int(name) for name in os.listdir(f"/proc/{process}/fd")}


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    return client


def exhaust(process, path, hard):
    """Leaves the process no number; the idle clients that took the last ones."""
    limit = max(numbers(process)) + 1
    resource.prlimit(process, resource.RLIMIT_NOFILE, (limit, hard))
    idle = []
    deadline = time.monotonic() + 10
    while len(numbers(process)) < limit:
        if time.monotonic() > deadline:
            sys.exit(f"{limit - len(numbers(process))} numbers stay free")
        before = len(numbers(process))
        idle.append(connect(path))
        while len(numbers(process)) == before and time.monotonic() < deadline:
            time.sleep(0.001)
    return idle


def answered(clients, seconds):
    """Closes each client that is answered; those that are not."""
    left = set(clients)
    with selectors.DefaultSelector() as waiting:
        for client in clients:
            waiting.register(client, selectors.EVENT_READ)
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            for key, _ in waiting.select(0.1):
                client = key.fileobj
                data = client.recv(1 << 16)
                if not data.startswith(b"HTTP/1.1 200 "):
                    sys.exit(f"an answer begins with {data[:40]}")
                waiting.unregister(client)
                client.close()
                left.discard(client)
    return left


def main():
    process, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    idle = exhaust(process, path, hard)
    clients = [connect(path) for _ in range(count)]
    before = processor_time(process)
    time.sleep(2)
    print(f"processor {processor_time(process) - before:.2f}", flush=True)
    for client in clients:
        client.sendall(b"GET /v1/names HTTP/1.1\r\n\r\n")
    left = answered(clients, 10)
    print(f"during {count - len(left)}", flush=True)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))
    left = answered(left, 10)
    print(f"after {count - len(left)}", flush=True)
    for client in idle:
        client.close()


main()
