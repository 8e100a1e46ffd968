"""Answers each datagram on a port of the loopback with itself: echo_datagrams.py PORT"""

import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    payload, client = server.recvfrom(65536)
    server.sendto(payload, client)
