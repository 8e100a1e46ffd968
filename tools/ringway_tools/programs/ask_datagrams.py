"""Sends datagrams of many sizes from several sockets and expects each back as it was: ask_datagrams.py HOST PORT"""

import os
import socket
import sys

CLIENTS = 4
SIZES = [0, 1, 100, 1472, 9000] * 10

sockets = []
for _ in range(CLIENTS):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(10)
    client.connect((sys.argv[1], int(sys.argv[2])))
    sockets.append(client)
answers = 0
for size in SIZES:
    for client in sockets:
        payload = os.urandom(size)
        client.send(payload)
        assert client.recv(65536) == payload, f"a datagram of {size} bytes came back as another"
        answers += 1
print(f"{answers} answers from {CLIENTS} clients")
