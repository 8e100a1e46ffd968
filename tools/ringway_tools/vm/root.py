"""The guest's initial memory: busybox, the first process, modules, and requested files."""

import pathlib
import shlex

from ringway_tools.vm import binaries
from ringway_tools.vm.archive import Archive

HERE = pathlib.Path(__file__).resolve().parent


class Root:
    """The first root of a guest."""

    def __init__(self, busybox, modules):
        self.busybox = busybox
        self.modules = modules
        self.settings = {}
        self.files = {}
        self.shares = {}
        self.command = None

    def add_file(self, source, target):
        self.files[target] = source

    def add_program(self, program):
        """A program of this machine goes to /bin, its libraries to where it looks for them."""
        self.files[f"/bin/{program.name}"] = program
        for library in binaries.libraries(program):
            self.files[library] = library

    def write(self, path):
        with open(path, "wb") as file:
            archive = Archive(file)
            # The kernel opens it for the first process before there is anything but this archive.
            archive.character_device("/dev/console", 5, 1)
            archive.copy("/bin/busybox", self.busybox)
            archive.link("/bin/sh", "busybox")
            archive.copy("/init", HERE / "init")
            archive.copy("/etc/vm/lease", HERE / "lease")
            archive.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
            archive.text("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
            archive.text("/etc/hosts", f"127.0.0.1 localhost {self.settings['name']}\n::1 localhost\n")
            archive.text("/etc/resolv.conf", "")
            archive.text("/etc/vm/settings", assignments(self.settings))
            archive.text("/etc/vm/shares", "".join(f"{tag} {place}\n" for tag, place in self.shares.items()))
            archive.text("/etc/vm/modules", "".join(f"/lib/modules/{module.name}\n" for module in self.modules))
            for module in self.modules:
                archive.copy(f"/lib/modules/{module.name}", module)
            for target, source in self.files.items():
                archive.copy(target, source)
            if self.command is not None:
                archive.text("/etc/vm/command", f"exec {shlex.join(self.command)}\n")
            archive.finish()


def assignments(settings):
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
