"""Servers inside a guest that only its agent reaches."""

from ringway_tools.acceptance import agent_servers
from ringway_tools.acceptance.suite import Suite
from ringway_tools.acceptance.transfers import MEBIBYTE
from ringway_tools.command import BUILDS
from ringway_tools.failure import Failure
from ringway_tools.paths import AGENT, PERF
from ringway_tools.testbed.bed import Bed


class AgentSuite(Suite):
    name = "agent"
    summary = "servers in a guest, reached through its agent"
    description = """Servers inside a guest that only its agent reaches: PASS or FAIL for each case.

`ringway serve` and the agent in a network namespace, with a unix socket between them. Needs root and release builds
(swift build -c release --product ringway, and --product ringway-agent). Everything happens in namespaces of its own and
in a temporary directory, which are gone at the end.
"""
    epilog = """
cases
  files      1 GiB down and back up, equal to the bit: a server on the guest's loopback, one in another network
             namespace, one at a unix socket
  datagrams  UDP to a server on the guest's loopback, of several clients
  endings    every order of half-close, close and reset, seen alike at both ends; a reader that pauses
  crowd      2,000 connections at once
  vanishing  clients that are killed in mid-transfer

After each no connection is left in the guest and no descriptor at either side.
"""
    title = "Acceptance of servers behind the agent"
    page = PERF / "acceptance-agent.md"
    setting = "guest"
    conditions = "that guest, bridge and clients share"
    needs = ("ip=iproute2", "ss=iproute2", "sysctl=procps", "curl=curl", "nginx=nginx-light")

    def cases(self):
        return list(agent_servers.CASES)

    def add_options(self, parser):
        parser.add_argument("--quick", action="store_true",
                            help="16 MiB in place of 1 GiB, to see that everything runs")
        parser.add_argument("--agent", default=str(AGENT), help="the agent's binary")

    def check(self, arguments, parser, command):
        command.require_binary(arguments.agent, BUILDS["ringway-agent"])

    def judge(self, arguments, report):
        with Bed() as bed:
            try:
                scene = agent_servers.Scene(
                    bed, arguments.ringway, arguments.agent, (16 if arguments.quick else 1024) * MEBIBYTE)
                for name, action in agent_servers.CASES.items():
                    if self.wants(arguments, name):
                        report.judge(name, "namespace", lambda: action(scene))
            except Failure as failure:
                report.add("agent", "namespace", "FAIL", str(failure), 0)
