"""Both ends of one TCP connection in one program, so that each can watch the other: a client on the host and a server in
a guest, or wherever else the connection leads.

    ends.py TARGET PORT NETNS-PID GUEST-PORT CASE

The server listens in the network namespace of the process NETNS-PID, at GUEST-PORT; the client connects to TARGET PORT
from where the program was started. One line says what was seen; any surprise is an exception.
"""

import ctypes
import errno
import hashlib
import os
import select
import socket
import struct
import sys
import threading

CLONE_NEWNET = 0x40000000
TIMEOUT = 30


def listen_in(process, port):
    """A listener in another network namespace; only the thread that makes it goes there."""
    result = []

    def make():
        libc = ctypes.CDLL(None, use_errno=True)
        namespace = os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
        if libc.setns(namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        result.append(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return result[0]


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def read_all(peer):
    digest, total = hashlib.sha256(), 0
    while data := peer.recv(1 << 20):
        digest.update(data)
        total += len(data)
    return total, digest.hexdigest()


def name_of_failure(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "none"


def write(peer, count, digest):
    block = os.urandom(1 << 20)
    for _ in range(count >> 20):
        peer.sendall(block)
        digest.update(block)
    peer.shutdown(socket.SHUT_WR)


def both_ways(client, server):
    """Both ends write and read at once, and each ends its side when it has written all."""
    count = 256 << 20
    digests = [hashlib.sha256(), hashlib.sha256()]
    results = {}
    threads = [
        threading.Thread(target=write, args=(client, count, digests[0])),
        threading.Thread(target=write, args=(server, count, digests[1])),
        threading.Thread(target=lambda: results.update(server=read_all(server))),
        threading.Thread(target=lambda: results.update(client=read_all(client))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results["server"] == (count, digests[0].hexdigest()), "what the server got differs"
    assert results["client"] == (count, digests[1].hexdigest()), "what the client got differs"


def half_closed(first, second):
    """The side that has closed its half receives all that the other sends after that."""
    first.sendall(b"question")
    first.shutdown(socket.SHUT_WR)
    assert second.recv(100) == b"question" and second.recv(100) == b""
    sender = threading.Thread(target=second.sendall, args=(bytes(20 << 20),))
    sender.start()
    total = 0
    while total < 20 << 20:
        total += len(first.recv(1 << 20))
    sender.join()
    second.close()
    assert first.recv(100) == b""


def was_reset(first, second):
    """Data sent before arrives, then the failure."""
    first.sendall(b"last words")
    assert second.recv(100) == b"last words"
    reset(first)
    assert name_of_failure(lambda: second.recv(100)) == "ECONNRESET"


def was_reset_while_half_closed(first, second):
    """The reset comes through although its direction had ended before."""
    first.shutdown(socket.SHUT_WR)
    assert second.recv(100) == b""
    second.sendall(b"more")
    assert first.recv(100) == b"more"
    reset(first)
    watch = select.poll()
    watch.register(second, 0)
    assert watch.poll(TIMEOUT * 1000), "the reset is not reported"
    assert second.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (errno.ECONNRESET, errno.EPIPE)


def was_reset_while_full(first, second):
    """The other end writes into a connection whose reader does not read, and then resets."""
    second.setblocking(False)
    while True:
        _, ready, _ = select.select([], [second], [], 0.5)
        if not ready:
            break
        name_of_failure(lambda: second.send(bytes(1 << 20)))
    reset(first)
    watch = select.poll()
    watch.register(second, 0)
    assert watch.poll(TIMEOUT * 1000), "the reset is not reported"
    assert second.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (errno.ECONNRESET, errno.EPIPE)


def stops_reading(client, server):
    """The writer blocks, and all bytes arrive once the reader continues."""
    client.setblocking(False)
    digest, sent = hashlib.sha256(), 0
    block = os.urandom(1 << 20)
    while select.select([], [client], [], 1)[1]:
        count = client.send(block)
        digest.update(block[:count])
        sent += count
    assert sent < 64 << 20, f"{sent} bytes are held"
    client.shutdown(socket.SHUT_WR)
    assert read_all(server) == (sent, digest.hexdigest())


CASES = {
    "both-ways": both_ways,
    "half-closed-by-client": half_closed,
    "half-closed-by-server": lambda client, server: half_closed(server, client),
    "reset-by-client": was_reset,
    "reset-by-server": lambda client, server: was_reset(server, client),
    "reset-by-client-half-closed": was_reset_while_half_closed,
    "reset-by-server-half-closed": lambda client, server: was_reset_while_half_closed(server, client),
    "reset-by-client-while-full": was_reset_while_full,
    "reset-by-server-while-full": lambda client, server: was_reset_while_full(server, client),
    "reader-rests": stops_reading,
}


def main():
    target, port, process, guest_port, case = sys.argv[1:]
    socket.setdefaulttimeout(TIMEOUT)
    listener = listen_in(int(process), int(guest_port))
    client = socket.create_connection((target, int(port)))
    server, address = listener.accept()
    same = "same" if client.getsockname()[1] == address[1] else "another"
    CASES[case](client, server)
    print(case, "from", address[0].removeprefix("::ffff:"), same, "port")


main()
