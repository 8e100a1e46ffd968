"""A machine, as far as a network can tell: an interface in a network namespace of its own, and a web server at port 80.

    unshare --map-root-user --net --mount machine.py LINK MAC ADDRESS GATEWAY DIRECTORY

LINK says what becomes of the interface's frames. "tap": the interface is handed over, as a descriptor that is sent over
the socket that is standard input. "socket": standard input is a socket, on which a length precedes every frame, as QEMU
has it. Anything else is the path of such a socket.

"ready" is printed when the network is set up. The machine ends when the other side closes the socket, and everything
that it has made goes with it.
"""

import array
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

import server

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 2, 0x1000, 0x4000
LENGTH = struct.Struct(">I")


def make_interface(flags):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"eth0", IFF_TAP | IFF_NO_PI | flags))
    return tap


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, stdin=subprocess.DEVNULL)


def configure(address, gateway, directory):
    ip("link", "set", "lo", "up")
    ip("address", "add", address + "/24", "dev", "eth0")
    ip("link", "set", "eth0", "up")
    ip("route", "add", "default", "via", gateway)
    names = os.path.join(directory, "resolv.conf")
    with open(names, "w") as file:
        file.write(f"nameserver {gateway}\n")
    subprocess.run(["mount", "--bind", names, "/etc/resolv.conf"], check=True, stdin=subprocess.DEVNULL)


def pump(tap, link):
    """Carries frames both ways until the link is closed."""
    received = b""
    while True:
        readable, _, _ = select.select([tap, link], [], [])
        if tap in readable:
            frame = os.read(tap, 1 << 16)
            link.sendall(LENGTH.pack(len(frame)) + frame)
        if link in readable:
            data = link.recv(1 << 18)
            if not data:
                return
            received += data
            start = 0
            while len(received) >= start + LENGTH.size:
                end = start + LENGTH.size + LENGTH.unpack_from(received, start)[0]
                if len(received) < end:
                    break
                os.write(tap, received[start + LENGTH.size:end])
                start = end
            received = received[start:]


def connect(kind):
    if kind in ("tap", "socket"):
        return socket.socket(fileno=0)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(kind)
    return link


def main():
    kind, mac, address, gateway, directory = sys.argv[1:]
    link = connect(kind)
    tap = make_interface(IFF_VNET_HDR if kind == "tap" else 0)
    ip("link", "set", "eth0", "address", mac)
    configure(address, gateway, directory)
    server.listen("", 80, directory)
    if kind == "tap":
        link.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [tap]))])
        os.close(tap)
    print("ready", flush=True)
    try:
        if kind == "tap":
            link.recv(1)
        else:
            pump(tap, link)
    except (BrokenPipeError, ConnectionResetError):
        pass


main()
