"""Debian packages, unpacked into a directory of their own: nothing of them is installed on this machine."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from ringway_tools.failure import Failure


class PackageCache:
    """A directory with a folder for each package that was fetched."""

    def __init__(self, directory):
        self.directory = directory

    @classmethod
    def of_user(cls):
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        return cls(pathlib.Path(cache, "ringway-vm"))

    def unpacked(self, package):
        """The folder of a package; the package is fetched when it is asked for the first time."""
        target = self.directory / package
        if target.is_dir():
            return target
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=".fetch-") as work:
            archive = fetched(package, work)
            subprocess.run(["dpkg-deb", "--extract", archive, f"{work}/content"], check=True)
            try:
                # By one rename, so that no other run sees half a package.
                os.rename(f"{work}/content", target)
            except OSError:
                if not target.is_dir():
                    raise
        return target


def fetched(package, directory):
    """Downloads the package into the directory; the path of the archive."""
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise Failure(f"{tool} is missing: the package {package} cannot be fetched on this system")
    command = ["apt-get", "-qq", "download", package]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        # Package lists may be absent or older than the archive.
        update_lists()
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    archives = [name for name in os.listdir(directory) if name.endswith(".deb")]
    if result.returncode != 0 or len(archives) != 1:
        raise Failure(f"the package {package} cannot be fetched: {result.stderr.strip()[-300:]}")
    return f"{directory}/{archives[0]}"


def update_lists():
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and not shutil.which("sudo"):
        return
    subprocess.run([*as_root, "apt-get", "-qq", "update"], capture_output=True, check=False)


def only_dependency(package):
    """The package that a metapackage stands for."""
    result = subprocess.run(
        ["apt-cache", "depends", "--important", package], capture_output=True, text=True, check=False)
    if "Depends:" not in result.stdout:
        update_lists()
        result = subprocess.run(
            ["apt-cache", "depends", "--important", package], capture_output=True, text=True, check=False)
    names = [line.split()[-1] for line in result.stdout.splitlines() if "Depends:" in line]
    if len(names) != 1:
        raise Failure(f"the package {package} is not known to apt")
    return names[0]
