"""A Docker engine whose userland proxy is the agent: its published ports are the host's."""

import os
import signal
import time

from ringway_tools.acceptance.container_engine import Engine, Registry, only_child
from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until
from ringway_tools.testbed.daemon import Daemon

IMAGE = "base:1"
PORT = 18080
RANGE = 19000, 19199
TAKEN_PORT = 18085
WEB_CONTAINER = "mkdir -p /www && echo page >/www/page && exec httpd -f -p 80 -h /www"

OCCUPY = """
import socket, time
listener = socket.create_server(("0.0.0.0", {port}))
print("listening", flush=True)
time.sleep(600)
"""


class Scene:
    """`ringway serve` on the host; the agent and the engine in a namespace that has no other network."""

    GATEWAY4 = "192.168.127.1"

    def __init__(self, bed, ringway, agent_path, busybox):
        self.bed = bed
        self.path = bed.directory / "agent.sock"
        self.daemon = Daemon(bed, ringway, [f"unix:{self.path}"], ["--agent-publish", "all"])
        self.namespace = bed.namespace("engine")
        self.agent_path = agent_path
        self.agent = None
        self.options = ["--userland-proxy-path", agent_path]
        self.engine = Engine(
            bed, self.namespace, self.GATEWAY4, f"host.ringway.internal:{Registry.PORT}", self.options)
        self.busybox = busybox

    def __enter__(self):
        self.daemon.start()
        self.engine.enclose()
        try:
            self.start_agent()
            self.engine.start()
            self.engine.import_root(IMAGE, self.busybox, [])
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.engine.close()
        if self.agent:
            self.bed.stop(self.agent)
        if self.daemon.program:
            self.bed.stop(self.daemon.program)

    def start_agent(self):
        # In the engine's enclosure, because its proxies look for the agent's socket in /run.
        self.agent = self.bed.start(
            self.engine.inside(
                self.agent_path, "run", "--host", f"unix:{self.path}", "--configure", "--resolv-conf", ""))
        wait_until(
            lambda: self.agent.require_running() and "inet " in self.bed.run(
                ["ip", "-4", "-o", "address", "show", "dev", "eth0"], self.namespace, check=False),
            "the agent's interface and its address")

    def kill_agent(self):
        os.kill(only_child(self.agent.process.pid), signal.SIGKILL)
        self.agent.process.wait(10)
        self.bed.stop(self.agent)
        self.agent = None

    def kill_daemon(self):
        self.daemon.program.process.kill()
        self.daemon.program.process.wait(10)
        self.bed.stop(self.daemon.program)
        self.daemon.program = None

    def restart_engine(self, options):
        self.engine.kill()
        self.engine.options = options
        self.engine.start()

    def publish(self, name, port, *options):
        self.engine.docker(
            "run", "--detach", "--name", name, "--publish", f"{port}:80", *options, IMAGE, "sh", "-c", WEB_CONTAINER)

    def page(self, port=PORT):
        """The page that a client on the host reads, or curl's error."""
        return self.bed.run(
            ["curl", "-sS", "--max-time", 5, f"http://127.0.0.1:{port}/page"], self.bed.host, check=False).strip()

    def await_page(self, what, seconds=30):
        wait_until(lambda: self.page() == "page", what, seconds)


def published(scene):
    scene.publish("web", PORT)
    scene.await_page("the container's page on the host")
    listeners = scene.bed.run(["ss", "-Htln", f"sport = :{PORT}"], scene.bed.host).strip()
    if not listeners:
        raise Failure("no socket listens on the host")
    return "a client on the host reads the container's page"


def taken(scene):
    program = scene.bed.start(
        ["python3", "-c", OCCUPY.format(port=TAKEN_PORT)], scene.bed.host, until="listening")
    text = scene.engine.complaint(
        "run", "--rm", "--publish", f"{TAKEN_PORT}:80", IMAGE, "sh", "-c", "true")
    scene.bed.stop(program)
    if "address already in use" not in text:
        raise Failure(f"the engine says: {text}")
    return text[text.rfind("listen "):].strip().splitlines()[0]


def freed(scene):
    scene.engine.docker("rm", "--force", "web")
    wait_until(
        lambda: not scene.bed.run(["ss", "-Htln", f"sport = :{PORT}"], scene.bed.host).strip(),
        "the end of the host's listener")
    scene.publish("web", PORT, "--restart", "always")
    scene.await_page("the page of the next container")
    return "the host's port is free, and the next container has it"


def engine_killed(scene):
    scene.engine.kill()
    scene.engine.start()
    scene.await_page("the page after the engine's restart", 60)
    return "the port answers again"


def agent_killed(scene):
    scene.kill_agent()
    scene.start_agent()
    scene.await_page("the page after the agent's restart", 60)
    return "the port answers again"


def daemon_killed(scene):
    scene.kill_daemon()
    scene.daemon.start()
    scene.await_page("the page after the daemon's restart", 60)
    return "the port answers again"


def run_with_range(scene):
    """Seconds that the engine takes to start and to remove a container with a port published for each of the range."""
    first, last = RANGE
    started = time.monotonic()
    scene.engine.docker(
        "run", "--detach", "--name", "range", "--publish", f"{first}-{last}:{first}-{last}", IMAGE, "sh", "-c",
        f"mkdir -p /www && echo page >/www/page && httpd -p {first} -h /www && exec httpd -f -p {last} -h /www")
    yield time.monotonic() - started
    started = time.monotonic()
    scene.engine.docker("rm", "--force", "range")
    yield time.monotonic() - started


def published_range(scene):
    """Two hundred ports at once; beside it, in the same engine, what they take where nothing is published on the host."""
    steps = run_with_range(scene)
    up = next(steps)
    for port in RANGE:
        wait_until(lambda: scene.page(port) == "page", f"the page at port {port}")
    down = next(steps)
    rest = scene.bed.run(
        ["ss", "-Htln", f"( sport >= :{RANGE[0]} and sport <= :{RANGE[1]} )"], scene.bed.host).strip()
    if rest:
        raise Failure(f"ports are still listened on: {rest}")
    scene.restart_engine(["--userland-proxy=false"])
    alone_up, alone_down = run_with_range(scene)
    scene.restart_engine(scene.options)
    return (f"{RANGE[1] - RANGE[0] + 1} ports: up in {up:.1f} s, gone in {down:.1f} s; "
            f"without a proxy the engine takes {alone_up:.1f} s and {alone_down:.1f} s")


CASES = {
    "published": published, "taken": taken, "freed": freed, "range": published_range, "engine-killed": engine_killed,
    "agent-killed": agent_killed, "daemon-killed": daemon_killed,
}
