"""Runs Ringway and its peers side by side, and says how they compare.

Every side goes through the same clients and servers, in network namespaces that this run makes and deletes: a host with
its servers, a machine outside, and a guest for each side, all with the congestion control cubic
where namespaces may choose it (tcp_allowed_congestion_control; the report says which). The sides are measured in turn,
round by round, so that changes of the machine's speed affect all of them; the ratios of the medians count.
"""

import json
import os
import pathlib
import resource
import subprocess
import sys
import time

from ringway_tools.bench import (
    bulk, busy_scene, datagram_rates, exchange_rates, idle_flows, machine, names, report, start_up)
from ringway_tools.bench.registry import all_peers
from ringway_tools.bench.results import Results
from ringway_tools.bench.scene import Scene
from ringway_tools.bench.turns import Turns
from ringway_tools.command import Command
from ringway_tools.paths import PERF, RINGWAY, ROOT, STATIC_AGENT, TOOLS, git
from ringway_tools.paths import commit as commit_checked_out

MEASURES = [
    bulk.TCP, bulk.PUBLISHED, datagram_rates.UDP, exchange_rates.EXCHANGES, names.NAMES, idle_flows.IDLE,
    start_up.START, busy_scene.SCENE,
]

NEEDS = [
    "ip=iproute2", "ss=iproute2", "sysctl=procps", "setpriv=util-linux", "ping=iputils-ping", "iperf3=iperf3",
    "pasta=passt", "slirp4netns=slirp4netns", "nft=nftables", "nginx=nginx-light", "dnsmasq=dnsmasq-base", "curl=curl",
    "cc=gcc",
]

# The output directory, unless the committed tables are to be replaced.
OUTPUT = ROOT / ".build/bench"

COMMAND = Command("bench")
fail = COMMAND.fail

EPILOG = """
measures
  tcp         throughput by iperf3, and processor time per gigabyte
  published   the same through a published port, by clients outside and on the host's loopback
  udp         datagrams delivered and lost, flat out, one by one and with UDP_SEGMENT and GRO
  exchanges   requests and answers of 64 bytes: rate, p50, p99; also with a connection for each
  dns         queries to the resolver that the side offers
  idle        10,000 connections that say nothing: memory for each, and the wait of one that is busy
  start       wall time of "run -- true"
  ci          64 downloads of mixed sizes at once while 32 connections want answers

sides
  ringway                 with its default options, guest MTU 1500
  agent                   ringway serve and ringway-agent in the guest, over a unix socket
  ringway-epoll           the same with --reactor epoll
  loopback                client and server in one namespace
  veth, veth+nat          a cable; two cables and a router that translates by nftables
  pasta-1500, -65520      from the package, at both MTUs
  pasta-65520-queue       with a queue of 20000 frames at the guest's interface as well
  slirp4netns-1500, -65520
  ringway-other           another build of Ringway, such as that of the commit before, when RINGWAY_BENCH_OTHER names it
  newer-pasta-...         as pasta, when RINGWAY_BENCH_PASTA names it
  gvproxy-1500, vpnkit-1500  when named as below; otherwise they are reported as not present

environment
  RINGWAY_BENCH_OTHER        path of another ringway, measured in turns with this one
  RINGWAY_BENCH_PASTA        path of another pasta, measured beside the installed one
  RINGWAY_BENCH_GVPROXY      path of gvproxy, which runs on the host
  RINGWAY_BENCH_GVFORWARDER  path of gvforwarder, its companion in the guest; both are needed
  RINGWAY_BENCH_VPNKIT       path of vpnkit, which runs on the host
  RINGWAY_BENCH_VPNKIT_TAP   path of vpnkit-tap-vsockd, its companion in the guest; both are needed

output (in DIR: .build/bench, with --write perf/, or what --output says)
  bench.json       every sample, the machine, the versions of all sides, the commit, the options
  bench.md         targets met and not met; for each measure Ringway's medians and their ratios to every side
  MEASURE.svg      bars with the spread as whiskers, where matplotlib (python3-matplotlib) is there

  A side or a case that fails stops nothing: the report says why. When samples of a case spread by more than a quarter
  of their median, up to two more rounds are taken of it.

requirements
  Root, for namespaces. Packages that are missing are installed by apt. Ringway is built (release), and its agent by
  tools/agent where that side is measured, when the binary is missing or older than its sources. The machine should be idle: it is watched before the start, for 30 s at most.

examples
  tools/bench --quick                                  everything once, in less than five minutes
  tools/bench --write                                  the tables in perf/, which are committed
  tools/bench --only tcp,udp --peers ringway,veth      only these
  tools/bench --rounds 9 --output /tmp/perf            more rounds, elsewhere
  tools/bench --only ci --add                          one measure again, the others as they were
  tools/bench --plots --write                          the plots in perf/, from bench.json there

exit status
  0 when all targets that were measured are met, 3 when one is not, 1 when nothing could be measured, 2 for a command
  line that is invalid.
"""


def arguments_given():
    parser = COMMAND.parser(__doc__, epilog=EPILOG)
    parser.add_argument("--quick", action="store_true", help="one short round of everything, to see that it runs")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds for each case (default: 5, with --quick 1)")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of a sample (default: 2, with --quick 0.5)")
    parser.add_argument("--only", metavar="MEASURE,...", help="only these measures")
    parser.add_argument("--peers", metavar="NAME,...", help="only these sides; Ringway is always among them")
    parser.add_argument("--shards", type=int, metavar="N", help="Ringway's shards (default: its own default)")
    parser.add_argument("--add", action="store_true",
                        help="add to the report that is there, of the same commit and the same rounds, in place of the "
                             "measures that this run takes")
    parser.add_argument("--plots", action="store_true",
                        help="draw the plots of the report that is there, and measure nothing")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--output", type=pathlib.Path, default=OUTPUT, metavar="DIR",
                       help="where the report goes (default: .build/bench)")
    where.add_argument("--write", dest="output", action="store_const", const=PERF,
                       help="replace the tables that are committed, in perf/")
    parser.add_argument("--list", action="store_true", help="show measures, cases and sides, and measure nothing")
    return parser.parse_args()


def chosen(text, known, what):
    if text is None:
        return list(known)
    wanted = [name for name in text.split(",") if name]
    for name in wanted:
        if name not in known:
            fail(f"there is no {what} \"{name}\"; --list shows them", 2)
    return [name for name in known if name in wanted]


def show(measures, peers):
    for measure in measures:
        print(f"{measure.name:<12}{measure.title}")
        for case in measure.cases:
            print(f"    {case.name:<16}{case.title}")
    print()
    for peer in peers:
        print(f"{peer.name:<20}{peer.title:<40}{peer.absence() or peer.version()}")


def build(peers):
    """Release binaries that are as new as their sources."""
    sources = [path.stat().st_mtime for path in (ROOT / "Sources").rglob("*") if path.is_file()]
    sources.append((ROOT / "Package.swift").stat().st_mtime)
    commands = {RINGWAY: ["swift", "build", "-c", "release", "--product", "ringway", "--quiet"]}
    if any(peer.name == "agent" for peer in peers):
        commands[STATIC_AGENT] = [TOOLS / "agent", STATIC_AGENT]
    environment = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
    for binary, command in commands.items():
        if binary.exists() and binary.stat().st_mtime >= max(sources):
            continue
        print(f"Building {binary.name}.", flush=True)
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
            fail(f"the build of {binary.name} failed")
        # A binary that is up to date is not linked again, and would look old for ever.
        binary.touch()


def raise_descriptor_limit():
    """Ten thousand flows take two descriptors each in some sides; not every root may go beyond the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, 200_000), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return
        except (ValueError, OSError):
            continue


def commit():
    changed = " and changes" if git("status", "--porcelain", "--", "Sources", "Package.swift") else ""
    return commit_checked_out() + changed


def add_earlier(directory, run, results, wanted):
    """Copies other measures from an earlier run, if both runs are comparable."""
    try:
        earlier = json.loads((directory / "bench.json").read_text())
    except FileNotFoundError:
        return
    for key in ("commit", "machine", "rounds", "seconds", "quick", "shards"):
        if earlier[key] != run[key]:
            fail(f"{directory}/bench.json cannot be added to: its {key} is {earlier[key]}, now it is {run[key]}")
    run["busyShare"] = max(run["busyShare"], earlier["busyShare"])
    run["wallSeconds"] = earlier["wallSeconds"]
    results.restore(earlier, wanted)


def draw_again(directory, peers):
    """The plots of a report that is there, with nothing measured."""
    try:
        run = json.loads((directory / "bench.json").read_text())
    except FileNotFoundError:
        fail(f"{directory}/bench.json is missing: there is nothing to draw")
    results = Results()
    results.restore(run, ())
    report.draw_all(directory, [measure for measure in MEASURES if results.has(measure.name)], results, peers)


def print_summary(targets):
    print("\nTargets")
    for target in targets:
        verdict = {True: "met", False: "NOT MET", None: "-"}[target.met]
        print(f"  {verdict:<8} {target.text}: {target.found}")
    met, missed = (sum(target.met is value for target in targets) for value in (True, False))
    print(f"{met} met, {missed} not met, {len(targets) - met - missed} not measured.", flush=True)


def main():
    arguments = arguments_given()
    peers = all_peers(RINGWAY, STATIC_AGENT, arguments.shards)
    if arguments.list:
        show(MEASURES, peers)
        return
    if arguments.plots:
        draw_again(arguments.output, peers)
        return
    wanted = chosen(arguments.only, [measure.name for measure in MEASURES], "measure")
    measures = [measure for measure in MEASURES if measure.name in wanted]
    sides = chosen(arguments.peers, [peer.name for peer in peers], "side")
    peers = [peer for peer in peers if peer.name in sides or peer.name == "ringway"]
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    seconds = arguments.seconds or (0.5 if arguments.quick else 2.0)
    if rounds < 1 or seconds <= 0:
        fail("rounds and seconds must be above zero", 2)
    COMMAND.require_root()
    COMMAND.require_packages(NEEDS)
    build(peers)
    raise_descriptor_limit()
    present = [peer for peer in peers if not peer.absence()]
    described = {peer.name: peer.absence() or peer.version() or peer.title for peer in peers}
    for peer in peers:
        print(f"{peer.name:<20}{described[peer.name]}")
    share = machine.await_idle()
    if share >= 0.1:
        COMMAND.complain(f"the machine is {share:.0%} busy with something else; ratios may be off")
    run = {
        "commit": commit(), "date": time.strftime("%Y-%m-%d"), "machine": machine.description(), "busyShare": share,
        "rounds": rounds, "seconds": seconds, "quick": arguments.quick, "shards": arguments.shards,
        "options": sys.argv[1:], "peers": described,
    }
    # An interrupted run reports what it has measured.
    COMMAND.end_on_signal()
    results = Results()
    if arguments.add:
        add_earlier(arguments.output, run, results, wanted)
    started = time.monotonic()
    try:
        with Scene() as scene:
            Turns(scene, present, results, rounds, seconds, arguments.quick).take(measures)
    except KeyboardInterrupt:
        COMMAND.complain("interrupted; the report holds what was measured")
    run["wallSeconds"] = run.get("wallSeconds", 0) + round(time.monotonic() - started)
    measures = [measure for measure in MEASURES if results.has(measure.name)]
    report.write(arguments.output, run, measures, results, peers)
    targets = report.judged(results, [peer.name for peer in present])
    print_summary(targets)
    print(f"Written to {arguments.output} after {run['wallSeconds']} s.")
    if not results.samples:
        sys.exit(1)
    sys.exit(3 if any(target.met is False for target in targets) else 0)

