"""A nameserver that answers names beginning with "good" by 192.0.2.7, and says nothing to all others.

usage: nameserver.py ADDRESS PORT
"""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    server.bind((sys.argv[1], int(sys.argv[2])))
    print("listening", flush=True)
    while True:
        query, client = server.recvfrom(4096)
        if query[13:17].lower() != b"good":
            continue
        end = query.index(b"\0", 12) + 5
        record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + bytes([192, 0, 2, 7])
        server.sendto(query[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + query[12:end] + record, client)
