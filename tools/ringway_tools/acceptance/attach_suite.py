"""Namespaces that others have made, with `ringway attach`."""

import os

from ringway_tools.acceptance import attached_namespaces
from ringway_tools.acceptance.suite import Suite
from ringway_tools.failure import Failure
from ringway_tools.paths import PERF
from ringway_tools.testbed.bed import Bed

KINDS = {kind.name: kind for kind in attached_namespaces.KINDS}


class AttachSuite(Suite):
    name = "attach"
    summary = "ringway attach to a named namespace, a process, a rootless container"
    description = """Namespaces that others have made, with `ringway attach`: PASS or FAIL for each case and kind of
namespace.

Kinds are a namespace of "ip netns", the namespaces of a process, and a rootless container of podman's, which is left
out where podman is not installed. Needs root and a release build (swift build -c release --product ringway). Everything
happens in namespaces of its own and in a temporary directory, which are gone at the end.
"""
    epilog = """
cases, all of which are judged in each kind of namespace
  names    the namespace resolves the host's name
  status   status and ls know the network
  publish  a port that is published at run time, and a loopback client that is spliced
  flows    a connection of the namespace's in flows
  metrics  every family once, those of the process among them
  capture  switched on and off at run time, and read by tcpdump
  end      nothing is left in the namespace
"""
    title = "Acceptance of attached namespaces"
    page = PERF / "acceptance-attach.md"
    setting = "namespace"
    conditions = "that namespace, bridge and clients share"
    needs = (
        "ip=iproute2", "ss=iproute2", "sysctl=procps", "curl=curl", "nsenter=util-linux", "setpriv=util-linux",
        "tcpdump=tcpdump", "busybox=busybox-static",
    )
    word = "kind"

    def cases(self):
        return list(KINDS)

    def judge(self, arguments, report):
        for name, kind in KINDS.items():
            if self.wants(arguments, name):
                with Bed() as bed:
                    os.environ["XDG_RUNTIME_DIR"] = str(bed.directory)
                    self.judge_kind(bed, kind, arguments.ringway, report)

    def judge_kind(self, bed, kind, ringway, report):
        try:
            namespace = kind(bed)
        except Failure as failure:
            report.add("attach", kind.name, "FAIL", str(failure), 0)
            return
        try:
            scene = attached_namespaces.Attached(bed, ringway, namespace)
            for case, action in attached_namespaces.CASES.items():
                report.judge(case, kind.name, lambda: action(scene))
        except Failure as failure:
            report.add("attach", kind.name, "FAIL", str(failure), 0)
        finally:
            namespace.end()
