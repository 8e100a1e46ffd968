"""A virtual machine's network card: a TAP interface in this network namespace, pumped over a link to "ringway serve".

usage: machine.py LINK MAC [LOCAL]

LINK is qemu:PATH, vpnkit:PATH or qemu-dgram:PATH; LOCAL is the machine's own socket for the latter. The interface is eth0
and has no offloads, as that of a machine whose card has none. When the link is up the line "attached MAC" is printed; MAC
is what the other side has given where the protocol does so. The interface goes with the program.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 2, 0x1000
PR_SET_PDEATHSIG = 1
UUID = b"8d3f1c52-0000-4000-8000-%012x"


def make_interface():
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"eth0", IFF_TAP | IFF_NO_PI))
    return tap


def configure(mac):
    for arguments in (["address", mac], ["up"]):
        subprocess.run(["ip", "link", "set", "eth0"] + arguments, check=True)


def receive_exactly(link, count):
    data = b""
    while len(data) < count:
        piece = link.recv(count - len(data))
        if not piece:
            raise SystemExit("the link is closed")
        data += piece
    return data


def shake_hands(link, mac):
    """VPNKit's handshake; the address that the server gives."""
    link.sendall(b"VMN3T" + struct.pack("<I", 22) + b"0" * 40)
    greeting = receive_exactly(link, 49)
    if greeting[:5] != b"VMN3T":
        raise SystemExit("the server does not speak VPNKit's protocol")
    link.sendall(b"\x01" + UUID % int(mac.replace(":", ""), 16) + bytes(4))
    reply = receive_exactly(link, 258)
    if reply[0] != 1:
        raise SystemExit("refused: " + reply[2:2 + reply[1]].decode())
    return ":".join(f"{byte:02x}" for byte in reply[5:11])


class Stream:
    """Frames behind their lengths."""

    def __init__(self, link, length):
        self.link = link
        self.length = length
        self.rest = b""

    def send(self, frame):
        self.link.sendall(struct.pack(self.length, len(frame)) + frame)

    def receive(self):
        data = self.link.recv(1 << 20)
        if not data:
            raise SystemExit("the link is closed")
        data = self.rest + data
        size = struct.calcsize(self.length)
        start = 0
        while len(data) - start >= size:
            count, = struct.unpack_from(self.length, data, start)
            if len(data) - start - size < count:
                break
            yield data[start + size:start + size + count]
            start += size + count
        self.rest = data[start:]


class Datagrams:
    """A frame in each datagram."""

    def __init__(self, link, remote):
        self.link = link
        self.remote = remote

    def send(self, frame):
        try:
            self.link.sendto(frame, self.remote)
        except (ConnectionRefusedError, FileNotFoundError, PermissionError):
            pass

    def receive(self):
        yield self.link.recv(1 << 16)


def connect(kind, path, mac, local):
    """The link, and the address that the interface is to have."""
    if kind == "qemu-dgram":
        link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.path.exists(local):
            os.unlink(local)
        link.bind(local)
        return Datagrams(link, path), mac
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(path)
    if kind == "vpnkit":
        mac = shake_hands(link, mac)
        return Stream(link, "<H"), mac
    return Stream(link, ">I"), mac


def pump_down(tap, carrier):
    while True:
        for frame in carrier.receive():
            os.write(tap, frame)


def pump_up(tap, carrier):
    while True:
        carrier.send(os.read(tap, 1 << 16))


def main():
    kind, path = sys.argv[1].split(":", 1)
    carrier, mac = connect(kind, path, sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
    tap = make_interface()
    configure(mac)
    print(f"attached {mac}", flush=True)
    # Two processes, because two threads of Python take turns; when one ends it ends the other.
    machine = os.getpid()
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            if os.getppid() == machine:
                pump_down(tap, carrier)
        finally:
            os.kill(machine, signal.SIGTERM)
    pump_up(tap, carrier)


main()
