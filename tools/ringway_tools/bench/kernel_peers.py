"""References without any program between: loopback, a veth pair, and a veth pair behind a router that translates."""

from ringway_tools.bench.peer import KERNEL, Link, Peer
from ringway_tools.bench.scene import HOST, PUBLISHED_PORT, SETTINGS
from ringway_tools.failure import Failure

NETWORK = "10.77.9"
ROUTER_NETWORK = "10.77.8"
OUTSIDE_NETWORK = "10.77.7"


class Kernel(Peer):
    kind = KERNEL


class Loopback(Kernel):
    """Client and server in one namespace: the upper bound of the programs themselves."""

    resolves = False

    def __init__(self):
        super().__init__("loopback", "loopback", 65536)

    def start(self, scene, publishes):
        link = Link(scene, scene.host, host="127.0.0.1")
        # There is nothing to go through from outside.
        link.outside = None
        return link


class Veth(Kernel):
    """A cable between host and guest; a published port is the guest's own, and the host routes to it."""

    def __init__(self):
        super().__init__("veth", "veth pair")

    def connect(self, scene, link, publishes):
        name = scene.bed.link(scene.host, link.guest, NETWORK)
        link.interfaces.append((scene.host, name))
        scene.bed.run(["ip", "-n", link.guest, "route", "add", "default", "via", f"{NETWORK}.1"])
        scene.bed.run(["ip", "-n", scene.outside, "route", "replace", f"{NETWORK}.0/24", "via", HOST])
        link.resolver = HOST
        link.outside = link.loopback = (f"{NETWORK}.2", PUBLISHED_PORT)


RULES = """
table ip nat {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        iifname != "{inner}" tcp dport {port} dnat to {guest}:{port}
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        oifname != "{inner}" masquerade
    }}
}}
"""


class VethWithNat(Kernel):
    """Two cables and a router between them, which translates the guest's addresses and publishes its port."""

    def __init__(self):
        super().__init__("veth+nat", "veth pair and nftables")

    def connect(self, scene, link, publishes):
        bed = scene.bed
        router = bed.namespace(f"router{scene.count}")
        link.others.append(router)
        bed.setting(router, *SETTINGS)
        inner = bed.link(router, link.guest, NETWORK)
        outer = bed.link(scene.host, router, ROUTER_NETWORK)
        link.interfaces += [(router, inner), (scene.host, outer)]
        bed.run(["ip", "-n", link.guest, "route", "add", "default", "via", f"{NETWORK}.1"])
        bed.run(["ip", "-n", router, "route", "add", "default", "via", f"{ROUTER_NETWORK}.1"])
        # Outsiders have a cable to the router, as they would have to a host that publishes a container's port.
        if publishes:
            outward = bed.link(router, scene.outside, OUTSIDE_NETWORK)
            link.interfaces.append((router, outward))
        rules = bed.directory / "rules"
        rules.write_text(RULES.format(inner=inner, guest=f"{NETWORK}.2", port=PUBLISHED_PORT))
        bed.run(["nft", "-f", rules], router)
        if not bed.run(["nft", "list", "ruleset"], router).strip():
            raise Failure("nft has set no rule")
        link.resolver = HOST
        link.outside = (f"{OUTSIDE_NETWORK}.1", PUBLISHED_PORT)
        link.loopback = (f"{ROUTER_NETWORK}.2", PUBLISHED_PORT)
