"""Connects to a unix socket many times and sends nothing; closed connections are made again, at a given rate.

usage: silent.py PATH COUNT
"""

import select
import socket
import sys
import time

path, count = sys.argv[1], int(sys.argv[2])


def connect():
    link = socket.socket(socket.AF_UNIX)
    # A listener that is deaf leaves it waiting.
    link.setblocking(False)
    try:
        link.connect(path)
    except BlockingIOError:
        link.close()
        return None
    return link


links = set()
stalled = 0
while len(links) < count and stalled < 100:
    link = connect()
    if link:
        links.add(link)
        stalled = 0
    else:
        stalled += 1
        time.sleep(0.01)
print("silent", flush=True)
while True:
    polled = select.poll()
    numbers = {link.fileno(): link for link in links}
    for number in numbers:
        polled.register(number, select.POLLIN)
    for number, _ in polled.poll(1_000)[:16]:
        numbers[number].close()
        links.discard(numbers[number])
        link = connect()
        if link:
            links.add(link)
    time.sleep(0.01)
