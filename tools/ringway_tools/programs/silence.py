"""The time in which a program detects that the far end of its connection has stopped responding.

    silence.py serve PORT                    echoes on every connection; prints "listening"
    silence.py call HOST PORT HOW FILE       makes one and exchanges a few bytes; prints "ready", waits for FILE, and then
                                             prints the error that ends its wait, and after how many seconds

HOW: keepalive (probes after a second of rest, twice), timeout (sends once, TCP_USER_TIMEOUT of two seconds),
lenient (keepalive too, but exchanges bytes once more after five seconds and prints "alive").
"""

import errno
import os
import socket
import sys
import threading
import time


def echo(peer):
    try:
        while data := peer.recv(1000):
            peer.sendall(data)
    except OSError:
        pass


def serve(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    print("listening", flush=True)
    while True:
        threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()


def exchange(peer):
    peer.sendall(b"hello")
    count = 0
    while count < 5:
        count += len(peer.recv(5))


def call(host, port, how, file):
    peer = socket.create_connection((host, port))
    if how != "timeout":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    else:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000)
    exchange(peer)
    print("ready", flush=True)
    while not os.path.exists(file):
        time.sleep(0.01)
    started = time.monotonic()
    try:
        if how == "lenient":
            time.sleep(5)
            exchange(peer)
            print("alive", flush=True)
            return
        if how == "timeout":
            peer.sendall(b"are you there?")
        peer.recv(1)
        print("end", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno], f"{time.monotonic() - started:.2f}", flush=True)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    call(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
