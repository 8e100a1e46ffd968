"""A crowd at a control socket: clients that ask again and again, and readers of events that do not read.

usage: crowd.py SOCKET CLIENTS READERS SECONDS

Prints "crowded" when all have connected, and at the end how often the clients were answered.
"""

import selectors
import socket
import sys
import time

REQUEST = b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n"
EVENTS = b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n"


def connect(path):
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(10)
    while True:
        try:
            end.connect(path)
            return end
        except BlockingIOError:
            # The queue of connections is full for a moment.
            time.sleep(0.002)


def main():
    path, clients, readers, seconds = sys.argv[1], *map(int, sys.argv[2:5])
    silent = []
    for _ in range(readers):
        end = connect(path)
        end.sendall(EVENTS)
        silent.append(end)
    selector = selectors.DefaultSelector()
    for _ in range(clients):
        end = connect(path)
        end.sendall(REQUEST)
        end.setblocking(False)
        selector.register(end, selectors.EVENT_READ, [b""])
    print("crowded", flush=True)
    answers = lost = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for key, _ in selector.select(0.1):
            data = key.fileobj.recv(65536)
            if not data:
                lost += 1
                selector.unregister(key.fileobj)
                continue
            key.data[0] += data
            head, found, body = key.data[0].partition(b"\r\n\r\n")
            if found and len(body) >= int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
                answers += 1
                key.data[0] = b""
                # Each client pauses between requests: a crowd, not an attack.
                key.fileobj.sendall(REQUEST)
    print(f"{answers} answers, {lost} lost")
    sys.exit(1 if lost or not answers else 0)


if __name__ == "__main__":
    main()
