"""Many connections: published ports, concurrent flows, churn; and that nothing of them is left."""

from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until
from ringway_tools.testbed.guest import FLOWS, flows

PORTS = "7000-7007"

# Buffers that lie ready for the kernel to fill, of one shard: 32 for its link and up to 512 for its sockets.
STANDING_BUFFERS = 544

GAUGES = ("tcpFlows", "tcpHalfOpen", "udpMappings", "pingMappings", "hostSockets", "tcpParkedOctets",
          "splicedConnections")
# Sockets of the guest's and empty pipes that a shard keeps for the spliced connections to come.
STANDING_DESCRIPTORS = 112


def require_all(report):
    if report["verified"] != report["asked"]:
        raise Failure(f"{report['verified']} of {report['asked']}: {report['failures']}")
    return report


def run_flows(runner, arguments, seconds=120):
    """Runs flows.py and reads its report."""
    text = runner([FLOWS, *arguments], seconds=seconds, check=False).strip()
    if not text:
        raise Failure(f"flows.py {arguments[0]} said nothing")
    return flows(text)


def opened(statistics):
    return statistics["tcpOpenedByGuest"] + statistics["tcpOpenedByHost"] + statistics["splicedOpened"]


def require_nothing_left(guest, before, descriptors, count):
    """No flow, no host socket, no lease and no descriptor more than before `count` flows came and went."""
    def settled(now):
        # The file is renewed from time to time; only one written after all flows began can show their end.
        return (opened(now) >= opened(before) + count and all(now[name] == 0 for name in GAUGES)
                and now["buffersLeased"] <= STANDING_BUFFERS * guest.shards)

    try:
        guest.await_statistics(settled, "the end of every flow and lease", 30)
    except Failure as failure:
        now = guest.statistics()
        left = {name: now[name] for name in GAUGES if now[name]}
        raise Failure(
            f"{failure}: left are {left} and {now['buffersLeased']} buffers, of which "
            f"{STANDING_BUFFERS * guest.shards} may be lying ready"
        ) from None
    if guest.statistics()["splicedOpened"]:
        descriptors += STANDING_DESCRIPTORS * guest.shards
    wait_until(
        lambda: guest.descriptors() <= descriptors,
        f"{guest.descriptors()} open descriptors, {descriptors} before: the closing of the others", 10)


def judged(guest, arguments, runner, count):
    """Runs flows.py and checks for flows, leases and descriptors that remain."""
    before, descriptors = guest.statistics(), guest.descriptors()
    report = require_all(run_flows(runner, arguments, seconds=200))
    require_nothing_left(guest, before, descriptors, count)
    return report


def concurrent_from_guest(bed, guest, count):
    server = bed.start([FLOWS, "serve", PORTS], bed.host, until="listening")
    report = judged(guest, ["hold", guest.HOST4, PORTS, count], guest.run, count)
    bed.stop(server)
    return f"{count} flows from the guest at once, opened in {report['connectSeconds']} s, each with 2 × 16 KiB in " \
        f"{report['dataSeconds']} s"


def concurrent_from_host(bed, guest, count):
    server = guest.start([FLOWS, "serve", PORTS], until="listening")
    report = judged(
        guest, ["hold", "127.0.0.1", PORTS, count],
        lambda arguments, **options: bed.run(arguments, bed.host, **options), count)
    bed.stop(server)
    spliced = guest.statistics()["splicedOpened"]
    return f"{count} flows from the host at once, {spliced} of them spliced, opened in {report['connectSeconds']} s, each with 2 × 16 KiB in " \
        f"{report['dataSeconds']} s"


def churn(bed, guest, count):
    server = bed.start([FLOWS, "serve", PORTS], bed.host, until="listening")
    report = judged(guest, ["cycle", guest.HOST4, PORTS, count], guest.run, count)
    bed.stop(server)
    return f"{count} cycles at {report['perSecond']}/s; no flow, lease or descriptor left"


def published_range(bed, guest, ports):
    """A range of TCP ports over both families, reached by a client with an address of its own and by the loopback."""
    client = bed.namespace("client")
    bed.link(bed.host, client, "10.77.5")
    server = guest.start([FLOWS, "serve", ports, "--greet"], until="listening")
    expectations = (
        (client, "10.77.5.1", "10.77.5.2"), (client, "fd77:5::1", "fd77:5::2"),
        (bed.host, "127.0.0.1", guest.HOST4), (bed.host, "::1", guest.HOST6),
    )
    count = 0
    for namespace, address, expected in expectations:
        report = require_all(
            run_flows(lambda arguments, **options: bed.run(arguments, namespace, **options),
                      ["greet", address, ports]))
        if set(report["clients"]) != {expected}:
            raise Failure(f"the guest's server saw {report['clients']} in place of {expected}")
        count += report["verified"]
    bed.stop(server)
    return f"{count} connections to ports {ports}, IPv4 and IPv6, each seen by the guest with its client's address"


DATAGRAM_SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.socket(family, socket.SOCK_DGRAM)
if family == socket.AF_INET6: server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
server.bind((sys.argv[1], 5300))
print("listening", flush=True)
while True:
    data, client = server.recvfrom(65536)
    server.sendto(client[0].encode() + b" " + data, client)
"""

DATAGRAM_CLIENT = """
import socket, sys
host, size = sys.argv[1], int(sys.argv[2])
client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.connect((host, 5300))
client.send(b"x" * size)
address, data = client.recv(65536).split(b" ")
print(address.decode(), len(data))
"""


def published_datagrams(bed, guest):
    server, client = bed.directory / "datagrams.py", bed.directory / "datagram.py"
    server.write_text(DATAGRAM_SERVER)
    client.write_text(DATAGRAM_CLIENT)
    programs = [guest.start(["python3", server, address], until="listening") for address in ("0.0.0.0", "::")]
    for address, expected in (("127.0.0.1", guest.HOST4), ("::1", guest.HOST6)):
        for size in (1, 1400, 9000):
            try:
                answer = bed.run(["python3", client, address, size], bed.host, seconds=20).split()
            except Failure:
                raise Failure(f"a datagram of {size} bytes to {address}: no answer") from None
            if answer != [expected, str(size)]:
                raise Failure(f"a datagram of {size} bytes to {address}: the answer is {answer}")
    for program in programs:
        bed.stop(program)
    return "UDP answers over IPv4 and IPv6, 1 to 9000 bytes"
