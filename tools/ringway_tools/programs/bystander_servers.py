"""Servers of the host's: a name server, and a socket that is never read.

usage: bystander_servers.py NAME_PORT SINK_PORT

The name server answers A queries for good* with 10.1.2.3 and is silent otherwise. Prints "serving".
"""

import socket
import sys

TAIL = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x01\x02\x03"


def main():
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("0.0.0.0", int(sys.argv[2])))
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    names.bind(("127.0.0.1", int(sys.argv[1])))
    print("serving", flush=True)
    while True:
        query, client = names.recvfrom(4_096)
        # Names begin behind the header and a length.
        if query[13:17] == b"good":
            end = query.index(0, 12) + 5
            names.sendto(query[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + query[12:end] + TAIL, client)


main()
