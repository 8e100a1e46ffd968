"""The common part of the sides of the comparison. registry.py lists them."""

import os
import shutil

from ringway_tools.bench.machine import first_line, package_version
from ringway_tools.bench.scene import HOST, PUBLISHED_PORT

OURS, KERNEL, USER = "ours", "kernel", "user"


class Link:
    """A peer at work: a guest's namespace, and how the guest reaches the host and the host the guest."""

    def __init__(self, scene, guest, host=HOST, resolver=None, programs=(), interfaces=(), others=()):
        self.scene = scene
        self.guest = guest
        self.host = host
        self.resolver = resolver
        self.programs = list(programs)
        # (namespace, name) of the interface to delete before its address can be used again.
        self.interfaces = list(interfaces)
        self.others = list(others)
        self.descriptors_per_flow = 1
        # Where the guest's published port is found: from outside, and on the host.
        self.outside = (HOST, PUBLISHED_PORT)
        self.loopback = ("127.0.0.1", PUBLISHED_PORT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            self.scene.bed.stop(program)
        for namespace, name in self.interfaces:
            self.scene.bed.run(["ip", "-n", namespace, "link", "del", name], check=False)
        for namespace in (self.guest, *self.others):
            if namespace != self.scene.host:
                self.scene.bed.remove(namespace)

    @property
    def processes(self):
        return [program.process.pid for program in self.programs]

    def run(self, arguments, seconds):
        return self.scene.bed.run(arguments, self.guest, seconds=seconds)

    def start(self, arguments, until=None):
        return self.scene.serve(arguments, self.guest, until)


class Peer:
    """One side of the comparison."""

    kind = USER
    # Whether it can run a command in a namespace of its own, publish a port, answer DNS.
    runs, publishes, resolves = False, True, True
    # Descriptors of the bridge's process for each flow.
    descriptors_per_flow = 1

    def __init__(self, name, title, mtu=1500):
        self.name = name
        self.title = title
        self.mtu = mtu

    def absence(self):
        """Why it cannot be measured here, or nothing."""
        return None

    def version(self):
        return ""

    def start(self, scene, publishes):
        """Sets it up; a `Link`, whose end is the peer's."""
        guest = scene.guest_namespace()
        link = Link(scene, guest)
        link.descriptors_per_flow = self.descriptors_per_flow
        try:
            self.connect(scene, link, publishes)
        except BaseException:
            link.__exit__()
            raise
        return link

    def connect(self, scene, link, publishes):
        raise NotImplementedError


class ProgramPeer(Peer):
    """A peer that is a program; `path` may come from the environment."""

    package = None

    def __init__(self, name, title, path, mtu=1500):
        super().__init__(name, title, mtu)
        self.path = path

    def absence(self):
        if not self.path:
            return "not present"
        if not shutil.which(self.path):
            return f"not present: {self.path}"
        return None

    def version(self):
        text = first_line([self.path, "--version"])
        package = self.package and "/" not in str(self.path) and package_version(self.package)
        return f"{text} ({self.package} {package})" if package else text


def from_environment(name):
    return os.environ.get(name) or None
