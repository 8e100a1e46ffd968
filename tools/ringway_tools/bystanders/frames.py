"""Ethernet frames, built byte by byte."""

import socket
import struct

ARP = 0x0806
IPV4 = 0x0800
BROADCAST = b"\xff" * 6

SYN, RST, ACK = 0x02, 0x04, 0x10


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    """The internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ethernet(destination, source, kind, payload):
    return destination + source + struct.pack("!H", kind) + payload


def arp(operation, mac, sender, target, target_mac=bytes(6)):
    """An ARP request (1) or reply (2) in its frame; a request is broadcast."""
    packet = struct.pack(
        "!HHBBH6s4s6s4s", 1, IPV4, 6, 4, operation, mac, socket.inet_aton(sender), target_mac,
        socket.inet_aton(target))
    return ethernet(BROADCAST if operation == 1 else target_mac, mac, ARP, packet)


def is_arp(frame, operation):
    return len(frame) >= 42 and frame[12:14] == b"\x08\x06" and frame[21] == operation


def ipv4(source, destination, protocol, payload):
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0, socket.inet_aton(source),
        socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp(source_port, destination_port, payload):
    """Without a checksum, as IPv4 allows."""
    return struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def tcp(source, destination, source_port, destination_port, sequence, acknowledged, flags):
    """A segment without data."""
    segment = struct.pack(
        "!HHIIBBHHH", source_port, destination_port, sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, 5 << 4, flags,
        64_000, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, 6, len(segment))
    return segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]


def echo(identifier, sequence, payload=bytes(32)):
    packet = struct.pack("!BBHHH", 8, 0, 0, identifier, sequence) + payload
    return packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]


def query(number, name):
    """A DNS query for an A record."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    return struct.pack("!HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\x01\0\x01"


class Segment:
    """The fields of a TCP segment that came in a frame."""

    __slots__ = ("source", "source_port", "port", "sequence", "flags")

    def __init__(self, frame):
        start = 14 + 4 * (frame[14] & 15)
        self.source = frame[26:30]
        self.source_port, self.port, self.sequence = struct.unpack_from("!HHI", frame, start)
        self.flags = frame[start + 13]

    @staticmethod
    def of(frame):
        """The frame's segment, or None where it carries none."""
        if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6:
            return None
        return Segment(frame)
