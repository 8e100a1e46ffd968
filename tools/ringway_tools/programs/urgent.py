"""Urgent data: one end sends "abc", an urgent "!" and "def", the other prints the bytes that it receives.

    urgent.py serve PORT ROLE            takes one connection; prints "listening" before
    urgent.py call HOST PORT ROLE        makes one

Roles: send, read (urgent data apart), read-inline (all in order).
"""

import select
import socket
import sys


def send(peer):
    peer.sendall(b"abc")
    peer.send(b"!", socket.MSG_OOB)
    peer.sendall(b"def")
    peer.shutdown(socket.SHUT_WR)
    while peer.recv(100):
        pass


def read(peer, inline):
    if inline:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    data = b""
    while True:
        ready, _, urgent = select.select([peer], [], [] if inline else [peer])
        if urgent:
            print("urgent", peer.recv(1, socket.MSG_OOB).decode(), flush=True)
        if ready:
            piece = peer.recv(100)
            if not piece:
                break
            data += piece
    print("data", data.decode(), flush=True)
    peer.close()


def main():
    if sys.argv[1] == "serve":
        server = socket.create_server(("::", int(sys.argv[2])), family=socket.AF_INET6, dualstack_ipv6=True)
        print("listening", flush=True)
        peer = server.accept()[0]
    else:
        peer = socket.create_connection((sys.argv[2], int(sys.argv[3])))
    role = sys.argv[-1]
    if role == "send":
        send(peer)
    else:
        read(peer, role == "read-inline")


main()
