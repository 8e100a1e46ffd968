"""A client of a control socket that takes memory, and shows how much of it.

usage: control_flood.py PID SOCKET KIND

KIND is "answers TARGET" for one connection that asks for TARGET over and over and reads nothing; "bodies" for many
connections, each with most of a large body. Prints "peak" and the MiB by which the memory of PID grew, and "left" with
those by which it still is larger when the connections are closed.
"""

import select
import socket
import sys
import time


def resident(process):
    for line in open(f"/proc/{process}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the process has gone")


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.setblocking(False)
    return client


def push(clients, data, most, process):
    """Writes up to `most` bytes to each client, until none has taken any for a second; returns the largest memory."""
    sent = {client: 0 for client in clients}
    peak = resident(process)
    while sent:
        ready = select.select([], list(sent), [], 1)[1]
        if not ready:
            break
        for client in ready:
            try:
                sent[client] += client.send(data[sent[client] % len(data):])
            except (BrokenPipeError, ConnectionResetError):
                sent[client] = most
            if sent[client] >= most:
                del sent[client]
        peak = max(peak, resident(process))
    return peak


def main():
    process, path, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    before = resident(process)
    if kind == "answers":
        clients = [connect(path)]
        request = b"GET %s HTTP/1.1\r\n\r\n" % sys.argv[4].encode()
        peak = push(clients, request * 1_000, 1 << 20, process)
    else:
        clients = [connect(path) for _ in range(64)]
        head = b"PUT /v1/forwards HTTP/1.1\r\ncontent-length: 8000000\r\n\r\n"
        for client in clients:
            client.sendall(head)
        peak = push(clients, b" " * (1 << 20), 7 << 20, process)
    print(f"peak {peak - before:.0f}", flush=True)
    for client in clients:
        client.close()
    deadline = time.monotonic() + 10
    while resident(process) - before > 16 and time.monotonic() < deadline:
        time.sleep(0.05)
    print(f"left {resident(process) - before:.0f}", flush=True)


main()
