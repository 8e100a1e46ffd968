"""Ringway's agent in the guest, with a unix socket to `ringway serve` in place of a vsock."""

import os
import pathlib

from ringway_tools.bench.bridge_peers import await_ready
from ringway_tools.bench.peer import OURS, ProgramPeer
from ringway_tools.bench.scene import PUBLISHED_PORT
from ringway_tools.testbed.bed import wait_until


class Agent(ProgramPeer):
    """Both with their default options; the published port leads through the agent to the guest's loopback."""

    kind = OURS
    # The client's, and that of the connection to the guest.
    descriptors_per_flow = 2

    def __init__(self, path, agent, shards):
        super().__init__("agent", "Ringway's agent", str(path))
        self.agent = pathlib.Path(agent)
        self.options = ["--shards", shards] if shards else []
        self.queues = shards or 1

    def absence(self):
        return super().absence() or (None if self.agent.exists() else f"not present: {self.agent} (tools/agent builds it)")

    def connect(self, scene, link, publishes):
        bed = scene.bed
        path = bed.directory / f"agent-{scene.count}.sock"
        forwards = []
        if publishes:
            forwards = ["--forward", f"0.0.0.0:{PUBLISHED_PORT}=tcp:127.0.0.1:{PUBLISHED_PORT}"]
        ready, notice = os.pipe()
        program = bed.start(
            [self.path, "serve", "--no-state", "--listen", f"unix:{path}", "--ready-fd", notice, *self.options, *forwards],
            scene.host, keep=(notice,))
        os.close(notice)
        link.programs.append(program)
        await_ready(ready, program, b"ready")
        agent = bed.start(
            [self.agent, "run", "--host", f"unix:{path}", "--queues", self.queues, "--configure", "--resolv-conf", "",
             "--request-socket", ""], link.guest)
        link.programs.append(agent)
        wait_until(
            lambda: agent.require_running() and "default" in bed.run(["ip", "-n", link.guest, "route"]),
            "the guest's default route", 10)
        link.resolver = "192.168.127.1"
