"""How connections travel: their source ports and the class (DSCP) of their handshakes.

    way.py serve PORT COUNT              takes COUNT connections; prints "listening", then "port P class C" of each
    way.py call HOST PORT FROM CLASS     makes one, from port FROM unless that is 0, and waits until it ends
"""

import socket
import struct
import sys

IP_PKTOPTIONS, IP_RECVTOS, IPV6_2292PKTOPTIONS = 9, 13, 6


def handshake_class(peer, mapped):
    """The options of an accepted client's handshake, as the kernel has kept them (ip(7), IP_PKTOPTIONS)."""
    if mapped:
        level, ask, give = socket.IPPROTO_IP, IP_RECVTOS, IP_PKTOPTIONS
    else:
        level, ask, give = socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, IPV6_2292PKTOPTIONS
    peer.setsockopt(level, ask, 1)
    control = peer.getsockopt(level, give, 256)
    return struct.unpack_from("i", control, 16)[0] & 0xFC if len(control) >= 20 else -1


def serve(port, count):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    print("listening", flush=True)
    for _ in range(count):
        peer, address = server.accept()
        mapped = address[0].startswith("::ffff:")
        print("port", address[1], "class", handshake_class(peer, mapped), flush=True)
        peer.close()


def call(host, port, source, traffic_class):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    peer = socket.socket(family)
    if family == socket.AF_INET:
        peer.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, traffic_class)
    else:
        peer.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, traffic_class)
    if source:
        peer.bind(("", source))
    peer.connect((host, port))
    peer.recv(1)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]), int(sys.argv[3]))
else:
    call(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
