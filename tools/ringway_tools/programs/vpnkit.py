"""A client of VPNKit's ethernet protocol: carries frames between its socket and a TAP or a QEMU.

usage: vpnkit.py SOCKET (tap NAME | qemu PATH) [UUID]

With "tap" the frames are those of a TAP device of that name, which is made here; with "qemu" those of a QEMU that
connects to PATH (-netdev stream). Prints "ready MAC MTU" when the handshake is done, and "refused TEXT" when the server
wants no more of this client.
"""

import fcntl
import os
import socket
import struct
import sys
import threading

MAGIC = b"VMN3T"
VERSION = 22
COMMIT = b"0123456789abcdef0123456789abcdef01234567"
ETHERNET = 1
INTERFACE, DISCONNECT = 1, 2
# Whatever the kind of reply, it has this length.
REPLY_BYTES = 258

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def receive_exactly(peer, count):
    data = b""
    while len(data) < count:
        block = peer.recv(count - len(data))
        if not block:
            sys.exit(f"the server closed after {len(data)} of {count} bytes")
        data += block
    return data


def shake_hands(peer, uuid):
    """The interface that the server gives this client: its ethernet address and MTU."""
    peer.sendall(struct.pack("<5sI40s", MAGIC, VERSION, COMMIT))
    magic, version, _ = struct.unpack("<5sI40s", receive_exactly(peer, 49))
    if magic != MAGIC or version != VERSION:
        sys.exit(f"the server speaks {magic!r}, version {version}")
    peer.sendall(struct.pack("<B36s4x", ETHERNET, uuid.encode()))
    reply = receive_exactly(peer, REPLY_BYTES)
    if reply[0] == DISCONNECT:
        print("refused", reply[2:2 + reply[1]].decode(), flush=True)
        sys.exit(1)
    if reply[0] != INTERFACE:
        sys.exit(f"a reply of type {reply[0]}")
    mtu, most, mac = struct.unpack_from("<HH6s", reply, 1)
    if most != mtu + 50:
        sys.exit(f"packets of {most} bytes at most with an MTU of {mtu}")
    return ":".join(f"{byte:02x}" for byte in mac), mtu


def framed(peer, header):
    """Frames of a stream in which each follows its length, with all that one reading brought."""
    waiting = b""
    while block := peer.recv(1 << 18):
        waiting += block
        frames, start = [], 0
        while len(waiting) - start >= header.size:
            end = start + header.size + header.unpack_from(waiting, start)[0]
            if end > len(waiting):
                break
            frames.append(waiting[start + header.size:end])
            start = end
        waiting = waiting[start:]
        yield frames


class StreamEnd:
    """A stream of frames, each after its length."""

    def __init__(self, peer, header):
        self.peer = peer
        self.header = header

    def batches(self):
        return framed(self.peer, self.header)

    def send(self, frames):
        self.peer.sendall(b"".join(self.header.pack(len(frame)) + frame for frame in frames))


class TAPEnd:
    """A TAP device, which is made here and goes with this process."""

    def __init__(self, name, mac):
        self.descriptor = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.descriptor, TUNSETIFF, struct.pack("<16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        os.system(f"ip link set {name} address {mac} up")

    def batches(self):
        while True:
            yield [os.read(self.descriptor, 65536)]

    def send(self, frames):
        for frame in frames:
            os.write(self.descriptor, frame)


def carry(source, target):
    try:
        for frames in source.batches():
            target.send(frames)
    except OSError as error:
        print(error, file=sys.stderr)
    # Without one of the sides there is nothing to relay.
    os._exit(0)


def main():
    path, kind, place, *rest = sys.argv[1:]
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    mac, mtu = shake_hands(server, rest[0] if rest else "\0" * 36)
    vpnkit = StreamEnd(server, struct.Struct("<H"))
    if kind == "tap":
        other = TAPEnd(place, mac)
        print("ready", mac, mtu, flush=True)
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(place)
        listener.listen(1)
        print("ready", mac, mtu, flush=True)
        other = StreamEnd(listener.accept()[0], struct.Struct(">I"))
    threading.Thread(target=carry, args=(vpnkit, other), daemon=True).start()
    carry(other, vpnkit)


main()
