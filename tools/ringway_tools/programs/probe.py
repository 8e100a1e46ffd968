"""Single datagrams, and what becomes of them.

    probe.py serve ADDRESS PORT             answers each datagram with its sender's address, port, hop limit and traffic
                                            class; "SIZE" with that many bytes; prints "listening"
    probe.py ask ADDRESS PORT LOCAL [MARK]  asks from the local port, with a traffic class, and prints the answer and the
                                            traffic class and hop limit of the answer
    probe.py change ADDRESS PORT ONE TWO    asks a hundred times with a traffic class, then with another until that of the
                                            answers is the other; prints the traffic classes of answers that differ from
                                            the one before
    probe.py size ADDRESS PORT SIZE         asks for that many bytes until they come
    probe.py refused ADDRESS PORT           asks until the port is said to be closed
    probe.py say ADDRESS PORT               sends one datagram, and closes its socket
    probe.py pester ADDRESS PORT            prints "listening", waits for a datagram, and answers until its sender is said to
                                            be closed
    probe.py mtu ADDRESS PORT SIZE          sends datagrams of a size that must not be cut until the kernel knows that the
                                            path is smaller, and prints its MTU

Each fails after ten seconds.
"""

import socket
import struct
import sys
import time

kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
ipv6 = ":" in address
level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
# The socket module lacks some of these: linux/in.h, linux/in6.h.
RECEIVE_CLASS, CLASS = (66, 67) if ipv6 else (13, 1)
RECEIVE_HOPS, HOPS = (51, 52) if ipv6 else (12, 2)
DISCOVER, MTU = (23, 24) if ipv6 else (10, 14)
end = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
end.setsockopt(level, RECEIVE_CLASS, 1)
end.setsockopt(level, RECEIVE_HOPS, 1)


def receive():
    piece, notes, _, sender = end.recvmsg(65536, 256)
    marks = {}
    for note_level, note_type, data in notes:
        if note_level == level:
            marks[note_type] = data[0] if len(data) < 4 else struct.unpack("i", data[:4])[0]
    return piece, sender, f"{marks.get(CLASS)} {marks.get(HOPS)}"


if kind == "serve":
    end.bind((address, port))
    print("listening", flush=True)
    while True:
        piece, sender, marks = receive()
        if piece.isdigit():
            end.sendto(bytes(int(piece)), sender)
        else:
            # The answer is marked as the question was.
            end.setsockopt(level, CLASS, int(marks.split()[0]))
            end.sendto(f"{sender[0]} {sender[1]} {marks}".encode(), sender)

if kind == "pester":
    end.bind((address, port))
    print("listening", flush=True)
    end.connect(receive()[1])
deadline = time.monotonic() + 10
end.settimeout(0.25)
if kind == "ask":
    end.bind(("::" if ipv6 else "0.0.0.0", int(sys.argv[4])))
    if len(sys.argv) > 5:
        end.setsockopt(level, CLASS, int(sys.argv[5]))
    while time.monotonic() < deadline:
        end.sendto(b"who", (address, port))
        try:
            piece, sender, marks = receive()
        except TimeoutError:
            continue
        print(piece.decode(), "|", marks)
        sys.exit(0)
elif kind == "change":
    seen = []
    count = 0
    while time.monotonic() < deadline:
        wanted = sys.argv[4 if count < 100 else 5]
        end.setsockopt(level, CLASS, int(wanted))
        end.sendto(b"who", (address, port))
        try:
            found = receive()[2].split()[0]
        except TimeoutError:
            continue
        count += 1
        if seen[-1:] != [found]:
            seen.append(found)
        if count > 100 and found == wanted:
            print(*seen)
            sys.exit(0)
elif kind == "size":
    size = int(sys.argv[4])
    while time.monotonic() < deadline:
        end.sendto(str(size).encode(), (address, port))
        try:
            piece, _, _ = receive()
        except TimeoutError:
            continue
        sys.exit(0 if len(piece) == size else 1)
elif kind == "say":
    end.sendto(b"who", (address, port))
    sys.exit(0)
elif kind in ("refused", "pester"):
    if kind == "refused":
        end.connect((address, port))
    while time.monotonic() < deadline:
        try:
            end.send(b"who")
            end.recv(65536)
            sys.exit("something answered")
        except TimeoutError:
            continue
        except ConnectionRefusedError:
            print("refused")
            sys.exit(0)
elif kind == "mtu":
    end.setsockopt(level, DISCOVER, 2)
    end.connect((address, port))
    while time.monotonic() < deadline:
        try:
            end.send(bytes(int(sys.argv[4])))
        except OSError as error:
            if error.errno != 90:
                raise
            print(end.getsockopt(level, MTU))
            sys.exit(0)
        time.sleep(0.02)
sys.exit("nothing within ten seconds")
