"""The guest's kernel and its modules."""

import pathlib
import re

from ringway_tools.failure import Failure, UsageError
from ringway_tools.vm.packages import only_dependency

METAPACKAGE = "linux-image-cloud-amd64"

# A module names what it needs in its section .modinfo, as one string of "key=value" among others.
DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


class Kernel:
    """A kernel image and the modules that belong to it."""

    def __init__(self, image, modules):
        self.image = image
        self.modules = {
            module_name(path): path for path in sorted(pathlib.Path(modules).rglob("*.ko"))}

    @classmethod
    def found(cls, root):
        """The newest cloud kernel under a root, or None."""
        images = sorted(pathlib.Path(root, "boot").glob("vmlinuz-*-cloud-amd64"), key=version_order)
        for image in reversed(images):
            modules = pathlib.Path(root, "lib/modules", image.name.removeprefix("vmlinuz-"))
            if modules.is_dir():
                return cls(image, modules)
        return None

    @classmethod
    def of_debian(cls, packages):
        """Debian's cloud kernel: the installed one, or else the package's."""
        kernel = cls.found("/")
        if kernel is None:
            kept = sorted(packages.directory.glob("linux-image-*-cloud-amd64"), key=version_order)
            package = kept[-1].name if kept else only_dependency(METAPACKAGE)
            kernel = cls.found(packages.unpacked(package))
        if kernel is None:
            raise Failure(f"there is no kernel in the package {METAPACKAGE}")
        return kernel

    def with_dependencies(self, names):
        """The paths of the modules and of all they need, each after what it needs."""
        ordered = {}

        def add(name, wanted_by):
            if name in ordered:
                return
            if name not in self.modules:
                needed = f" (needed by {wanted_by})" if wanted_by else ""
                raise UsageError(f"the kernel {self.image.name} has no module \"{name}\"{needed}")
            path = self.modules[name]
            for dependency in dependencies(path):
                add(dependency, name)
            ordered[name] = path

        for name in names:
            add(name.replace("-", "_"), None)
        return list(ordered.values())


def module_name(path):
    return path.name.removesuffix(".ko").replace("-", "_")


def dependencies(path):
    match = DEPENDS.search(path.read_bytes())
    return match[1].decode().replace("-", "_").split(",") if match and match[1] else []


def version_order(path):
    return [int(number) for number in re.findall(r"\d+", path.name)]
