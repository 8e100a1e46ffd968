"""The targets of attacks, and the report that an attack is under way."""

import dataclasses
import signal
import sys

# A socket of the host that is never read.
SINK_PORT = 9_999
# A network whose packets are all dropped.
BLACK_HOLE = "198.51.100"


@dataclasses.dataclass
class Places:
    """Paths and addresses that an attack is given."""

    # The socket for guests, that for agents, and the control socket.
    link: str
    agents: str
    control: str
    # The good guest.
    victim: str
    victim_address: str
    # Where clients reach the hostile guest's published port, and the last part of the guest's address.
    published: tuple
    published_number: int


def announce(text=""):
    print("attacking", text, flush=True)


def rest():
    """Sleeps until it is ended."""
    sys.stdout.flush()
    while True:
        signal.pause()
