"""A STUN server with two addresses and two ports, and clients of it (RFC 8489, RFC 5780 §7.2).

    stun.py serve FIRST SECOND PORT OTHER   answers Binding requests at all four ends, from another address or port where
                                            CHANGE-REQUEST says so; prints "listening"
    stun.py ask FIRST SECOND PORT OTHER     prints from which of the server's other ends answers come through: "port",
                                            "address", "both", in one line; then "address after a request to it" where one
                                            comes once it has been sent to; then "one mapping" where every end of the server
                                            sees the same address and port of the client
    stun.py hold ADDRESS PORT               prints "mapped PORT", and from then on the sender of everything that comes in, a
                                            line each, for as long as its standard input stays open
    stun.py send LOCAL ADDRESS PORT         sends one datagram from an address

A request whose answer does not come through is told by the answer to an ordinary one that follows it.
"""

import os
import select
import socket
import struct
import sys

REQUEST, RESPONSE, COOKIE = 0x0001, 0x0101, 0x2112A442
CHANGE_REQUEST, XOR_MAPPED_ADDRESS, RESPONSE_ORIGIN = 0x0003, 0x0020, 0x802B
CHANGE_ADDRESS, CHANGE_PORT = 4, 2

kind = sys.argv[1]


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def attribute(number, value):
    return struct.pack("!HH", number, len(value)) + value


def message(number, identifier, attributes):
    return struct.pack("!HHI", number, len(attributes), COOKIE) + identifier + attributes


def parse(data):
    """The type, the transaction's identifier and the attributes of a message."""
    number, length, cookie = struct.unpack("!HHI", data[:8])
    assert cookie == COOKIE and length == len(data) - 20
    attributes, offset = {}, 20
    while offset < len(data):
        name, size = struct.unpack("!HH", data[offset:offset + 4])
        attributes[name] = data[offset + 4:offset + 4 + size]
        offset += 4 + (size + 3) // 4 * 4
    return number, data[8:20], attributes


def mapped(identifier, end):
    """XOR-MAPPED-ADDRESS: the value for an end, or the end that it stands for; both ways are the same."""
    address = socket.inet_pton(family(end[0]), end[0])
    key = struct.pack("!I", COOKIE) + identifier
    hidden = bytes(byte ^ key[index] for index, byte in enumerate(address))
    return struct.pack("!BBH", 0, 2 if len(address) == 16 else 1, end[1] ^ COOKIE >> 16) + hidden


def unmapped(identifier, value):
    hidden, key = value[4:], struct.pack("!I", COOKIE) + identifier
    address = bytes(byte ^ key[index] for index, byte in enumerate(hidden))
    kind = socket.AF_INET6 if len(address) == 16 else socket.AF_INET
    return socket.inet_ntop(kind, address), struct.unpack("!H", value[2:4])[0] ^ COOKIE >> 16


def bound(address, port):
    end = socket.socket(family(address), socket.SOCK_DGRAM)
    end.bind((address, port))
    return end


if kind == "serve":
    addresses, ports = sys.argv[2:4], [int(sys.argv[4]), int(sys.argv[5])]
    ends = {(a, p): bound(addresses[a], ports[p]) for a in (0, 1) for p in (0, 1)}
    print("listening", flush=True)
    while True:
        for ready in select.select(list(ends.values()), [], [])[0]:
            data, sender = ready.recvfrom(2048)
            number, identifier, attributes = parse(data)
            assert number == REQUEST
            address, port = next(place for place, end in ends.items() if end is ready)
            change = struct.unpack("!I", attributes.get(CHANGE_REQUEST, bytes(4)))[0]
            if change & CHANGE_ADDRESS:
                address = 1 - address
            if change & CHANGE_PORT:
                port = 1 - port
            answer = attribute(XOR_MAPPED_ADDRESS, mapped(identifier, sender[:2]))
            answer += attribute(RESPONSE_ORIGIN, bytes([0, address, 0, port]))
            ends[address, port].sendto(message(RESPONSE, identifier, answer), sender)

if kind == "send":
    bound(sys.argv[2], 0).sendto(b"hello", (sys.argv[3], int(sys.argv[4])))
    sys.exit(0)

end = socket.socket(family(sys.argv[2]), socket.SOCK_DGRAM)
end.settimeout(10)


def request(target, change=0):
    identifier = os.urandom(12)
    attributes = attribute(CHANGE_REQUEST, struct.pack("!I", change)) if change else b""
    end.sendto(message(REQUEST, identifier, attributes), target)
    return identifier


def exchange(target, change=0):
    """Whether a changed request is answered before an ordinary one, and our address as the server sees it."""
    changed = request(target, change) if change else None
    plain, came = request(target), False
    while True:
        number, identifier, attributes = parse(end.recv(2048))
        assert number == RESPONSE
        if identifier == changed:
            came = True
        elif identifier == plain:
            return came, unmapped(identifier, attributes[XOR_MAPPED_ADDRESS])


if kind == "hold":
    _, (_, port) = exchange((sys.argv[2], int(sys.argv[3])))
    print("mapped", port, flush=True)
    while True:
        ready = select.select([end, sys.stdin], [], [])[0]
        if end in ready:
            _, sender = end.recvfrom(2048)
            print(f"heard {sender[0]}", flush=True)
        if sys.stdin in ready and not os.read(0, 100):
            sys.exit(0)

first, second = (sys.argv[2], int(sys.argv[4])), (sys.argv[3], int(sys.argv[4]))
words = []
for word, change in (("port", CHANGE_PORT), ("address", CHANGE_ADDRESS), ("both", CHANGE_ADDRESS | CHANGE_PORT)):
    if exchange(first, change)[0]:
        words.append(word)
print(" ".join(words))
seen = [exchange(first)[1], exchange(second)[1], exchange((sys.argv[3], int(sys.argv[5])))[1]]
if exchange(first, CHANGE_ADDRESS)[0]:
    print("address after a request to it")
if len(set(seen)) == 1:
    print("one mapping")
