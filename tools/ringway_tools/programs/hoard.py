"""Takes as many flows as it can get, and keeps them.

    hoard.py tcp|udp HOST PORT COUNT [--from ADDRESS]

Opens COUNT TCP connections, or sends a datagram from COUNT ports, to an echo server. Prints "opened N refused M" when each
has its answer or its error; as "udp" how many were answered. Then waits for the end of its standard input, and prints
"left N": of TCP, how many are still open.
"""

import errno
import resource
import select
import socket
import sys
import time

kind, host, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
sockets = []
opened = refused = 0


def settle(limit, isPending, step):
    deadline = time.monotonic() + limit
    while isPending() and time.monotonic() < deadline:
        step()
        time.sleep(0.002)


if kind == "tcp":
    pending = []
    while len(sockets) < count or pending:
        # So many at a time as a kernel's queue takes.
        while len(sockets) < count and len(pending) < 64:
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex((host, port))
            sockets.append(connection)
            pending.append(connection)
        rest = []
        for connection in pending:
            state = connection.connect_ex((host, port))
            if state in (errno.EALREADY, errno.EINPROGRESS):
                rest.append(connection)
            elif state in (0, errno.EISCONN):
                opened += 1
            else:
                refused += 1
        if len(rest) == len(pending):
            time.sleep(0.001)
        pending = rest
else:
    waiter = select.epoll()
    for _ in range(count):
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagram.setblocking(False)
        datagram.sendto(b"?", (host, port))
        sockets.append(datagram)
        waiter.register(datagram.fileno(), select.EPOLLIN | select.EPOLLET)
        time.sleep(0.0005)
    heard = set()
    quiet = time.monotonic() + 1
    while time.monotonic() < quiet:
        for descriptor, _ in waiter.poll(0.1):
            if descriptor not in heard:
                heard.add(descriptor)
                quiet = time.monotonic() + 1
    opened, refused = len(heard), count - len(heard)

print(f"opened {opened} refused {refused}", flush=True)
sys.stdin.read()
left = 0
if kind == "tcp":
    for connection in sockets:
        try:
            connection.recv(1)
        except BlockingIOError:
            left += 1
        except OSError:
            pass
print(f"left {left}", flush=True)
