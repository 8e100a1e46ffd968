"""Plays the monitor of a virtual machine with a hybrid vsock: a unix socket on which the host says "CONNECT PORT", and
which is then joined to the guest's port.

    monitor.py SOCKET PORT GUEST-SOCKET

A unix socket stands for the guest's port. Connections to other ports are closed, as a monitor does it.
"""

import os
import socket
import sys
import threading


def carry(source, sink):
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(host, port, guest_path):
    line = b""
    while not line.endswith(b"\n"):
        byte = host.recv(1)
        if not byte:
            return
        line += byte
    guest = socket.socket(socket.AF_UNIX)
    try:
        if line != b"CONNECT %d\n" % port:
            return
        guest.connect(guest_path)
        host.sendall(b"OK 1073741824\n")
        threads = [threading.Thread(target=carry, args=ends) for ends in ((host, guest), (guest, host))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except OSError:
        pass
    finally:
        guest.close()
        host.close()


def main():
    path, port, guest_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(path):
        os.unlink(path)
    listener.bind(path)
    listener.listen(128)
    print("listening", flush=True)
    while True:
        host, _ = listener.accept()
        threading.Thread(target=serve, args=(host, port, guest_path), daemon=True).start()


main()
