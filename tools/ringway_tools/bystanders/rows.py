"""The rows of the bystander table: the good guest's neighbour, and the criteria."""

import dataclasses

GIBIBYTE = 1 << 30


@dataclasses.dataclass(frozen=True)
class Row:
    """A hostile neighbour."""

    name: str
    # Its number in the list of weaknesses that this table was made from.
    finding: str
    title: str
    # The good guest's requests: "ask" (TCP), "names" or "ping".
    asks: str = "ask"
    # The good guest's link: "tap", or "qemu" with a card that moves its frames.
    link: str = "tap"
    # Whether the connects are those of clients outside to the good guest's published port.
    published: bool = False
    # The daemon's limits: descriptors, and bytes of address space.
    descriptors: int = 20_000
    address_space: int = 0
    options: tuple = ()
    # Whether the host's ping_group_range is the kernel's default, which leaves the daemon raw sockets only.
    raw_pings: bool = False
    # Whether new guests must be let in, and whether the control socket must answer.
    judges_newcomers: bool = True
    judges_control: bool = True


ROWS = [
    Row("flows", "3", "a guest opens connections until no descriptor is left (limit 4,096)", descriptors=4_096),
    Row("udp-mappings", "3", "three guests with 8,192 UDP mappings each (20,000 descriptors)"),
    Row("udp-flood", "3", "a guest sends datagrams from ever other ports, flat out"),
    Row("published", "17", "2,000 clients a second of a port whose guest does not answer SYN (4,096 descriptors)",
        published=True, descriptors=4_096),
    Row("dns", "9", "a guest asks 4,096 names a second that no server answers; names in place of requests",
        asks="names"),
    Row("pings", "14", "ten guests with 256 ping mappings each; echoes in place of requests", asks="ping",
        raw_pings=True),
    Row("syn-flood", "-", "a guest sends SYNs flat out, half of them to addresses that do not answer"),
    Row("neighbours-60", "15", "a guest floods the good one with frames of 60 bytes", link="qemu"),
    Row("neighbours-1400", "15", "the same with frames of 1,400 bytes", link="qemu"),
    Row("control-unread", "11", "a local client pipelines requests and reads no response", judges_control=False),
    Row("control-exhausted", "4", "a guest takes all descriptors (1,024), 200 clients wait at the control socket",
        descriptors=1_024, judges_control=False),
    Row("silent", "18", "200 connections to the socket for guests that say nothing"),
    Row("agents", "5", "three agents with 64 queues each, all of them busy; one shard", options=("--shards", "1")),
    Row("memory-agents", "6", "agents with up to 64 queues each fill a limit of 20 GiB of address space",
        address_space=20 * GIBIBYTE, judges_newcomers=False),
    Row("memory-guests", "6", "guests come under a limit of 1 GiB of address space", address_space=GIBIBYTE,
        judges_newcomers=False),
]
