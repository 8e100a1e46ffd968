"""A hostile guest or client, or what burns as much processor time without a link.

usage: attack KIND LINK AGENTS CONTROL VICTIM_MAC VICTIM_ADDRESS PUBLISHED_ADDRESS PUBLISHED_PORT PUBLISHED_NUMBER
       attack burn SHARE                (more than 1: by several processes)

Runs as a module, by paths.module: it is started in a namespace, with the package on PYTHONPATH.

Prints "attacking" when the attack is under way, and lasts until SIGTERM.
"""

import ctypes
import functools
import math
import os
import resource
import signal
import socket
import sys
import time

from ringway_tools.bystanders import agent_attacks, control_attacks, frame_attacks
from ringway_tools.bystanders.places import Places, announce

PR_SET_PDEATHSIG = 1

KINDS = {
    "flows": frame_attacks.flows,
    "udp-mappings": frame_attacks.udp_mappings,
    "udp-flood": frame_attacks.udp_flood,
    "published": frame_attacks.syn_deaf,
    "dns": frame_attacks.dns,
    "pings": frame_attacks.pings,
    "syn-flood": frame_attacks.syn_flood,
    "neighbours-60": functools.partial(frame_attacks.neighbours, length=60),
    "neighbours-1400": functools.partial(frame_attacks.neighbours, length=1_400),
    "control-unread": control_attacks.unread,
    "control-exhausted": control_attacks.exhausted,
    "silent": frame_attacks.silent,
    "agents": agent_attacks.queues,
    "memory-agents": agent_attacks.joining,
    "memory-guests": frame_attacks.guests,
}


def burn(share):
    """Writes frames to a process that discards them, for this share of one processor's time; several pairs of
    processes where it is more than one processor's."""
    pairs = max(1, math.ceil(share - 0.05))
    share /= pairs
    for _ in range(pairs - 1):
        if os.fork() == 0:
            # Ends with the first one.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            break
    near, far = socket.socketpair()
    if os.fork() == 0:
        near.close()
        while far.recv(1 << 18):
            pass
        os._exit(0)
    far.close()
    frame = bytes(1 << 16)
    announce()
    start, used = time.monotonic(), time.process_time()
    while True:
        if time.process_time() - used >= share * (time.monotonic() - start):
            time.sleep(0.0005)
        else:
            near.sendall(frame)


def main():
    # Every connection takes a descriptor.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    kind = sys.argv[1]
    if kind == "burn":
        burn(float(sys.argv[2]))
    link, agents, control, victim, victim_address, address, port, number = sys.argv[2:]
    places = Places(link, agents, control, victim, victim_address, (address, int(port)), int(number))
    frame_attacks.hold(KINDS[kind], places)


if __name__ == "__main__":
    main()
