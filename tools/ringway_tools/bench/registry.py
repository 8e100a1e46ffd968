"""The sides of the comparison."""

from ringway_tools.bench.agent_peer import Agent
from ringway_tools.bench.bridge_peers import Pasta, Ringway, RingwayOnEpoll, Slirp
from ringway_tools.bench.kernel_peers import Loopback, Veth, VethWithNat
from ringway_tools.bench.peer import from_environment
from ringway_tools.bench.stream_peers import Gvproxy, Vpnkit


def all_peers(ringway, agent, shards):
    """Every peer there may be, in the order in which they are shown."""
    peers = [
        Ringway(ringway, shards), RingwayOnEpoll(ringway, shards), Agent(ringway, agent, shards), Loopback(), Veth(),
        VethWithNat(),
    ]
    other = from_environment("RINGWAY_BENCH_OTHER")
    peers += [Ringway(other, shards, "ringway-other", "the other Ringway")] if other else []
    peers += Pasta.variants("pasta", "pasta")
    newer = from_environment("RINGWAY_BENCH_PASTA")
    peers += Pasta.variants("newer-pasta", newer) if newer else []
    peers += [Slirp(1500), Slirp(65520)]
    peers += [Gvproxy(), Vpnkit()]
    return peers
