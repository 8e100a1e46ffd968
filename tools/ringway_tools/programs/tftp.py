"""A TFTP server (RFC 1350), which answers each request from a new port, as the RFC requires.

    tftp.py ADDRESS PORT SIZE   serves a file of so many bytes by every name, and prints "listening"
"""

import socket
import struct
import sys

READ, DATA, ACKNOWLEDGEMENT = 1, 3, 4
BLOCK = 512

address, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
contents = bytes(index % 251 for index in range(size))
listener = socket.socket(family, socket.SOCK_DGRAM)
listener.bind((address, port))
print("listening", flush=True)
while True:
    request, client = listener.recvfrom(2048)
    if struct.unpack("!H", request[:2])[0] != READ:
        continue
    end = socket.socket(family, socket.SOCK_DGRAM)
    end.bind((address, 0))
    end.settimeout(2)
    # A file that ends with a block's end is followed by an empty block.
    for number in range(size // BLOCK + 1):
        block = struct.pack("!HH", DATA, number + 1 & 0xFFFF) + contents[number * BLOCK:(number + 1) * BLOCK]
        for _ in range(5):
            end.sendto(block, client)
            try:
                answer = end.recv(2048)
            except TimeoutError:
                continue
            if struct.unpack("!HH", answer[:4]) == (ACKNOWLEDGEMENT, number + 1 & 0xFFFF):
                break
    end.close()
