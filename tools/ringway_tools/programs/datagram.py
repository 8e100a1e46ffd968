"""Sends one datagram of SIZE bytes and prints the answer, or the name of the error.

    datagram.py HOST PORT SIZE
"""

import errno
import socket
import sys

host, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(10)
client.connect((host, port))
try:
    client.send(b"x" * size)
    print(client.recv(65536).decode())
except TimeoutError:
    print("no answer")
except OSError as error:
    print("error", errno.errorcode[error.errno])
