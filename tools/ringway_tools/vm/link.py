"""Links: how the guest's ethernet frames leave QEMU."""

import hashlib
import os
import stat

from ringway_tools.failure import UsageError

KINDS = """
  qemu:PATH        a unix stream socket: 32 bits of length, most significant first, then the frame
  qemu-dgram:PATH  a unix datagram socket: each datagram is a frame
  tap:NAME         a TAP device of this network namespace
  fd:N             a descriptor that tools/vm inherits: a connected socket, stream or datagram as above, or a TAP
  user             QEMU's own network, with no access to the host's ports
  none             no network card
"""


class Link:
    """The options of a link on QEMU's command line."""

    def __init__(self, netdev=None, descriptors=()):
        self.netdev = netdev
        self.descriptors = descriptors

    def arguments(self, mac, mtu):
        if self.netdev is None:
            return ["-nic", "none"]
        device = f"virtio-net-pci,netdev=network,mac={mac},romfile="
        if mtu:
            device += f",host_mtu={mtu}"
        return ["-netdev", f"{self.netdev[0]},id=network,{self.netdev[1]}".rstrip(","), "-device", device]


def link(text, directory):
    """The link of that name; its files are in the directory."""
    kind, _, rest = text.partition(":")
    if kind in ("user", "none") and not rest:
        return Link(("user", "")) if kind == "user" else Link()
    if kind in ("qemu", "qemu-dgram", "tap", "fd") and rest:
        if kind == "qemu":
            return Link(("stream", f"server=off,addr.type=unix,addr.path={quoted(required_path(rest))}"))
        if kind == "qemu-dgram":
            return Link(
                ("dgram", f"local.type=unix,local.path={quoted(f'{directory}/network')},"
                          f"remote.type=unix,remote.path={quoted(required_path(rest))}"))
        if kind == "tap":
            return Link(("tap", f"ifname={quoted(rest)},script=no,downscript=no"))
        return inherited(rest)
    raise UsageError(f"there is no link \"{text}\": qemu:PATH, qemu-dgram:PATH, tap:NAME, fd:N, user or none")


def inherited(text):
    try:
        descriptor = int(text)
        mode = os.fstat(descriptor).st_mode
    except (ValueError, OSError):
        raise UsageError(f"fd:{text}: that is no open descriptor") from None
    if stat.S_ISSOCK(mode):
        return Link(("socket", f"fd={descriptor}"), (descriptor,))
    if stat.S_ISCHR(mode):
        return Link(("tap", f"fd={descriptor}"), (descriptor,))
    raise UsageError(f"fd:{text}: neither a socket nor a TAP")


def required_path(path):
    if not os.path.exists(path):
        raise UsageError(f"no program listens on {path}: the file does not exist")
    return os.path.abspath(path)


def quoted(value):
    """A comma ends a value of QEMU's options, two are one."""
    return value.replace(",", ",,")


def address(name):
    """A guest's own ethernet address: a name has the same one at all times, so it meets the same lease again."""
    digest = hashlib.sha256(name.encode()).digest()
    # Locally administered, in the range that QEMU uses.
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
