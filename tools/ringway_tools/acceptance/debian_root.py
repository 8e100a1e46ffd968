"""A Debian root of its own, made by debootstrap, and its systemd as the first process of a namespace."""

import os
import pathlib
import shutil
import subprocess

from ringway_tools.acceptance.container_engine import only_child
from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until

# The first process gets everything that it takes for a machine: devices, a hierarchy of cgroups, and a /proc/sys that it
# cannot change, because that is not the root's alone.
ENCLOSURE = r"""
set -e
mount --make-rprivate /
root=$0
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
mount -t sysfs -o ro sys sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
device() { mknod -m 666 "dev/$1" c "$2" "$3"; }
device null 1 3; device zero 1 5; device full 1 7; device random 1 8; device urandom 1 9; device tty 5 0
mkdir dev/net dev/pts dev/shm
device net/tun 10 200
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
exec env -i container=ringway-acceptance PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""

# Packages beyond the smallest root: those of a usual server, and nothing of Swift.
EXTRAS = [
    "systemd", "systemd-sysv", "libpam-systemd", "dbus", "dbus-user-session", "curl", "man-db", "bash-completion",
    "iproute2",
]


def mirror():
    """Where this machine's apt fetches Debian from."""
    chosen = os.environ.get("RINGWAY_DEBIAN_MIRROR")
    if chosen:
        return chosen
    result = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian",
         "Label: Debian"], capture_output=True, text=True, check=False)
    for line in result.stdout.split():
        if not line.rstrip("/").endswith("security"):
            return line
    raise Failure("apt knows no mirror of Debian: set RINGWAY_DEBIAN_MIRROR")


def bootstrap(target, suite, packages=()):
    """Makes a root; packages are fetched by this machine's network."""
    options = [f"--include={','.join(packages)}"] if packages else []
    result = subprocess.run(
        ["debootstrap", "--variant=minbase", *options, suite, str(target), mirror()], capture_output=True, text=True,
        check=False)
    if result.returncode != 0:
        raise Failure(f"debootstrap {suite}: {(result.stdout + result.stderr).strip()[-300:]}")


class Root:
    """A root in which programs run; with systemd as its first process when it is booted."""

    def __init__(self, bed, path):
        self.bed = bed
        self.path = path
        self.enclosure = None
        self.first = None
        self.group = None

    def boot(self, program=("/lib/systemd/systemd",)):
        # A group of cgroups of its own, which is the top one for the namespace.
        mount = self.bed.directory / "cgroup"
        mount.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "cgroup2", "none", mount], check=True)
        self.group = mount / f"ringway-acceptance-{os.getpid()}"
        self.group.mkdir(exist_ok=True)
        script = f"echo $$ >{self.group}/cgroup.procs && exec \"$@\""
        self.enclosure = self.bed.start(
            ["bash", "-c", script, "bash", "unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork",
             "--kill-child", "bash", "-c", ENCLOSURE, self.path, *program], self.bed.host)

        def first():
            self.enclosure.require_running()
            try:
                child = only_child(self.enclosure.process.pid)
                return child if pathlib.Path(f"/proc/{child}/comm").read_text().startswith("systemd") else None
            except (IndexError, OSError):
                return None

        self.first = wait_until(first, "the first process", 20)
        wait_until(
            lambda: self.run(["systemctl", "is-system-running"], check=False).strip() in ("running", "degraded"),
            "systemd", 60)

    def inside(self, arguments):
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                       "DEBIAN_FRONTEND=noninteractive", "TERM=dumb"]
        if self.first:
            return ["nsenter", "--target", self.first, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root",
                    "--wd", "--", *environment, *arguments]
        script = 'mount --make-rprivate / && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, self.path, *environment, *arguments]

    def run(self, arguments, seconds=120.0, check=True):
        """Runs a program in the root, in the network namespace of the bed's host; its standard output."""
        return self.bed.run(self.inside(arguments), self.bed.host, seconds, check)

    def shell(self, script, seconds=120.0, check=True):
        return self.run(["sh", "-c", script], seconds, check)

    def seen_from_outside(self, path):
        return f"/proc/{self.first}/root{path}"

    def files(self):
        """Every path in the root but those that packages of any kind leave traces in, and users and groups."""
        skipped = ("var/cache", "var/log", "var/lib/dpkg", "var/lib/apt", "var/lib/systemd", "tmp", "root", "home",
                   "var/tmp", "proc", "sys", "dev", "run")
        found = set()
        for directory, names, files in os.walk(self.path):
            inner = os.path.relpath(directory, self.path)
            names[:] = [name for name in names if os.path.normpath(f"{inner}/{name}") not in skipped]
            found |= {os.path.normpath(f"/{inner}/{name}") for name in [*names, *files]}
        for file in ("passwd", "group"):
            found |= {f"{file}: {line.split(':')[0]}" for line in (self.path / "etc" / file).read_text().splitlines()}
        # Backup files of useradd(8).
        return {name for name in found if not (name.startswith("/etc/") and name.endswith("-"))}

    def close(self):
        if self.enclosure:
            self.bed.stop(self.enclosure)
            wait_until(lambda: not pathlib.Path(f"/proc/{self.first}").exists(), "the end of the root", 20)
        if self.group:
            for directory, _, _ in os.walk(self.group, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    pass
            subprocess.run(["umount", self.bed.directory / "cgroup"], check=False)
        shutil.rmtree(self.path, ignore_errors=True)
