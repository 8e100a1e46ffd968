"""Clients of a port of this host that connect, wait a moment, and leave.

    leavers.py PORT COUNT True|False

With True they reset their connections, otherwise they close them without having said anything.
"""

import socket
import struct
import sys
import time

port, count, resets = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].lower() == "true"
clients = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(count)]
# Long enough for all of them to be accepted: the test is about the state that remains.
time.sleep(0.3)
for client in clients:
    if resets:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
