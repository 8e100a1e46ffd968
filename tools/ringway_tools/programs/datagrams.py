"""A UDP server that answers each datagram with its client's address and the datagram's length.

    datagrams.py ADDRESS PORT [PORT...]        prints "listening"
"""

import select
import socket
import sys

address, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
servers = []
for port in ports:
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    if ":" in address:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((address, port))
    servers.append(server)
print("listening", flush=True)
while True:
    for server in select.select(servers, [], [])[0]:
        data, client = server.recvfrom(65536)
        server.sendto(f"{client[0]} {len(data)}".encode(), client)
