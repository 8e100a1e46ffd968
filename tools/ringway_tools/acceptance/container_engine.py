"""A Docker engine in a network namespace, and a registry beside it."""

import os
import pathlib
import shutil
import signal
import subprocess

from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until
from ringway_tools.vm import binaries

# Folders of its own where the engine must not meet the machine's. The first process reaps what the engine leaves behind
# and, as it is the first, takes everything with it.
ENCLOSURE = """
mount --make-rprivate /
mount -t tmpfs none /run
mount -t sysfs sys /sys
mount -t cgroup2 none /sys/fs/cgroup
mount --bind "$0" /etc/resolv.conf
echo ready
exec docker-init -- sleep infinity
"""

DOCKER = "/usr/bin/docker"

REGISTRY_CONFIGURATION = """
version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: {directory}
http:
  addr: 127.0.0.1:{port}
"""


def only_child(pid):
    """The process that unshare or nsenter has started; it stands outside of the namespace itself."""
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


class Registry:
    """Debian's docker-registry on the loopback of the host's namespace."""

    PORT = 5000

    def __init__(self, bed):
        directory = bed.directory / "registry"
        directory.mkdir()
        configuration = bed.directory / "registry.yml"
        configuration.write_text(REGISTRY_CONFIGURATION.format(directory=directory, port=self.PORT))
        bed.start(["docker-registry", "serve", configuration], bed.host)
        bed.await_port(self.PORT, bed.host)


class Engine:
    """dockerd in a network namespace; everything that it makes lies in the bed, and nothing of it outlives the bed."""

    def __init__(self, bed, namespace, nameserver, registry, options=()):
        self.bed = bed
        self.namespace = namespace
        self.directory = bed.directory / "engine"
        self.directory.mkdir(exist_ok=True)
        # A path of a unix socket must be short.
        self.socket = bed.directory / "docker.sock"
        self.resolver = bed.directory / "resolv.conf"
        self.resolver.write_text(f"nameserver {nameserver}\n")
        self.registry = registry
        self.options = options
        self.enclosure = None
        self.first = None
        self.program = None

    def enclose(self):
        """Makes the mount and process namespaces, in which the engine may come and go."""
        self.enclosure = self.bed.start(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", "-c", ENCLOSURE,
             self.resolver], self.namespace, until="ready")
        self.first = only_child(self.enclosure.process.pid)

    def inside(self, *arguments):
        return ["nsenter", "--target", str(self.first), "--mount", "--pid", "--net", "--", *arguments]

    def start(self):
        self.program = self.bed.start(
            self.inside(
                "dockerd", "--data-root", self.directory / "data", "--exec-root", "/run/docker", "--pidfile",
                "/run/docker.pid", "--host", f"unix://{self.socket}", "--insecure-registry", self.registry,
                *self.options))
        self.await_answer()

    def await_answer(self):
        def answer():
            self.program.require_running()
            try:
                return self.docker("version", "--format", "{{.Server.Version}}", seconds=5).strip()
            except Failure:
                return None

        wait_until(answer, "an answer of the engine", 60)

    def kill(self):
        """As when the engine crashes."""
        os.kill(only_child(self.program.process.pid), signal.SIGKILL)
        self.program.process.wait(10)
        self.bed.stop(self.program)
        self.program = None

    def close(self):
        """Ends the engine and, with their first process, all that ran in the namespaces."""
        if self.program is not None and self.program.process.poll() is None:
            # Their control groups go only when the engine removes them.
            names = self.docker("ps", "--all", "--quiet", check=False).split()
            if names:
                self.docker("rm", "--force", *names, check=False)
        if self.first is not None:
            os.kill(self.first, signal.SIGKILL)
            self.enclosure.process.wait(10)
        for program in (self.program, self.enclosure):
            if program is not None:
                self.bed.stop(program)
        # The engine's mounts went with the mount namespace; only folders are left.
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        self.enclose()
        try:
            self.start()
        except Failure:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def docker(self, *arguments, seconds=120.0, check=True):
        """Runs docker's command; its standard output."""
        return self.bed.run(
            ["env", "DOCKER_BUILDKIT=0", f"HOME={self.bed.directory}", DOCKER, "--host", f"unix://{self.socket}",
             *arguments], seconds=seconds, check=check)

    def complaint(self, *arguments):
        """The error of a docker command that must fail."""
        try:
            self.docker(*arguments)
        except Failure as failure:
            return str(failure)
        raise Failure(f"docker {arguments[0]} has worked where it must fail")

    def import_root(self, image, busybox, others, noise=0):
        """Makes an image of busybox, of other programs of this machine and of mebibytes that do not compress."""
        root = self.bed.directory / "image"
        (root / "bin").mkdir(parents=True)
        (root / "tmp").mkdir()
        shutil.copy(busybox, root / "bin/busybox")
        subprocess.run(["chroot", root, "/bin/busybox", "--install", "-s", "/bin"], check=True)
        for program in map(binaries.located, others):
            shutil.copy(program, root / "bin" / program.name)
            for library in binaries.libraries(program):
                (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, root / library[1:])
        if noise:
            with open("/dev/urandom", "rb") as source, open(root / "noise", "wb") as target:
                for _ in range(noise):
                    target.write(source.read(1 << 20))
        archive = self.bed.directory / "image.tar"
        self.bed.run(["tar", "--create", "--file", archive, "--directory", root, "."])
        self.docker("import", archive, image)
        archive.unlink()
        shutil.rmtree(root)
