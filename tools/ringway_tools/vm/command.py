"""Boots a small Linux guest under QEMU on a chosen link, and runs a command in it.

The guest is Debian's cloud kernel and busybox, held in memory: nothing is left of it. With a COMMAND, its standard
streams are those of tools/vm, and so is its exit status; without one, the console is the terminal, with a shell (leave
it with "exit", or the emulator with Ctrl-a x). The command finds eth0 with addresses: IPv4 by DHCP, IPv6 by router
advertisements.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from ringway_tools.command import Command
from ringway_tools.failure import Failure, UsageError
from ringway_tools.paths import TOOLS
from ringway_tools.vm import binaries, link
from ringway_tools.vm.kernel import Kernel
from ringway_tools.vm.machine import EMULATOR, Machine
from ringway_tools.vm.packages import PackageCache
from ringway_tools.vm.root import Root
from ringway_tools.vm.share import SERVER, Share

COMMAND = Command("vm")

# The buses and devices that every guest has.
MODULES = ["virtio_pci", "virtio_net", "virtio_console"]

EPILOG = f"""
links{link.KINDS}
modules
  The virtio drivers of the machine are always there. What else a guest may want: tun, veth, bridge, overlay; vsock
  within one guest (CID 1): vsock_loopback; packet filters: nf_tables, nft_chain_nat. Whatever a module needs is loaded
  before it.

files in the guest
  /etc/resolv.conf     what DHCP said
  /run/lease           all that DHCP said, as NAME=VALUE lines

environment
  XDG_CACHE_HOME       unpacked packages are kept in its folder ringway-vm (default: ~/.cache); remove it to have newer
                       ones fetched

requirements
  QEMU is installed by apt when it is missing, which takes root; kernel and busybox are only fetched and unpacked,
  unless the machine has them. Without hardware virtualisation a guest needs about four seconds to start.

examples
  tools/vm                                                        a shell on the console, no network
  ringway serve --listen qemu:/run/vm.sock &
  tools/vm --link qemu:/run/vm.sock -- wget -O - http://host.ringway.internal:8080/
  tools/vm --link qemu:/run/vm.sock --program curl -- curl -sS http://host.ringway.internal:8080/
  tools/vm --module vsock_loopback --file build/agent:/bin/agent -- agent --help
  tools/vm --share "$PWD:/work" -- ls /work
  tools/vm --link user -- sh -s <script.sh

exit status
  The command's; 0 without a command. 124 when the command has not ended in time; 125 when there is no guest, or it
  ended before its command did (1 without a command); 2 for a command line that is invalid.
"""


def parsed_arguments():
    parser = COMMAND.parser(
        __doc__, epilog=EPILOG, usage="%(prog)s [OPTION]... [--] [COMMAND [ARGUMENT]...]")
    parser.add_argument("--link", default="none", metavar="LINK", help="the guest's network (default: none); see below")
    parser.add_argument("--name", default="guest", help="host name; the ethernet address follows from it")
    parser.add_argument("--mac", help="ethernet address (default: one that belongs to the name)")
    parser.add_argument("--mtu", type=int, help="MTU that the network card tells the guest")
    parser.add_argument("--no-dhcp", action="store_true", help="leave eth0 without IPv4 address")
    parser.add_argument("--memory", type=int, default=512, metavar="MIB", help="(default: 512)")
    parser.add_argument("--processors", type=int, default=1, metavar="N", help="(default: 1)")
    parser.add_argument("--time", type=float, default=0, metavar="SECONDS",
                        help="end the guest when the command takes longer, its start included (default: no bound)")
    parser.add_argument("--file", action="append", default=[], metavar="SOURCE[:TARGET]",
                        help="a file or folder for the guest, in / unless a target is given; repeatable")
    parser.add_argument("--program", action="append", default=[], metavar="NAME",
                        help="a program of this machine for the guest's /bin, with its libraries; repeatable")
    parser.add_argument("--module", action="append", default=[], metavar="NAME",
                        help="a kernel module to load, after those it needs; repeatable")
    parser.add_argument("--share", action="append", default=[], metavar="DIRECTORY[:TARGET]",
                        help="a folder that host and guest share, in /mnt/NAME unless a target is given; repeatable")
    parser.add_argument("--console", metavar="FILE",
                        help="where the guest's console goes while a command runs; - is standard error")
    parser.add_argument("--pid-file", metavar="FILE", help="file for the emulator's process id")
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.command[:1] == ["--"]:
        del arguments.command[0]
    if arguments.time < 0 or arguments.memory < 64 or arguments.processors < 1:
        parser.error("--time must not be below 0, --memory not below 64, --processors not below 1")
    if not re.fullmatch(r"[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?", arguments.name):
        parser.error("--name must be a host name: letters, digits and hyphens, 63 at most")
    if arguments.mac and not re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", arguments.mac):
        parser.error("--mac must be an ethernet address like 52:54:00:12:34:56")
    if arguments.mtu is not None and not 68 <= arguments.mtu <= 65535:
        parser.error("--mtu must be from 68 to 65535")
    return arguments


def require_tools(shares):
    needs = [f"{EMULATOR}=qemu-system-x86"]
    if shares:
        needs.append(f"{SERVER}=qemu-system-common")
    if subprocess.run([TOOLS / "require", *needs], stdout=sys.stderr, check=False).returncode != 0:
        raise Failure("QEMU is missing")


def static_busybox(packages):
    installed = shutil.which("busybox")
    if installed and binaries.is_static(installed):
        return pathlib.Path(installed)
    return packages.unpacked("busybox-static") / "bin/busybox"


def file_pair(text):
    source, _, target = text.partition(":")
    if not os.path.exists(source):
        raise UsageError(f"--file {text}: {source} does not exist")
    target = target or "/" + os.path.basename(source.rstrip("/"))
    if not target.startswith("/"):
        raise UsageError(f"--file {text}: the target must be a whole path")
    return source, target


def guest_root(arguments, packages, kernel, shares):
    modules = [*MODULES, *(["virtiofs"] if shares else []), *arguments.module]
    root = Root(static_busybox(packages), kernel.with_dependencies(modules))
    root.settings = {"name": arguments.name, "lease": "no" if arguments.no_dhcp else "yes"}
    root.shares = {share.tag: share.target for share in shares}
    for text in arguments.file:
        root.add_file(*file_pair(text))
    for name in arguments.program:
        root.add_program(binaries.located(name))
    root.command = arguments.command or None
    return root


def console_descriptor(path):
    if path is None:
        return None
    return 2 if path == "-" else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)


def run(arguments, directory):
    shares = [Share(text, number) for number, text in enumerate(arguments.share)]
    chosen = link.link(arguments.link, directory)
    require_tools(shares)
    packages = PackageCache.of_user()
    kernel = Kernel.of_debian(packages)
    guest_root(arguments, packages, kernel, shares).write(f"{directory}/root")
    machine = None
    try:
        for share in shares:
            share.start(directory)
        machine = Machine(kernel.image, f"{directory}/root", arguments.memory, arguments.processors, shares)
        machine.add_link(chosen, arguments.mac or link.address(arguments.name), arguments.mtu)
        if arguments.pid_file:
            machine.write_process_id_to(os.path.abspath(arguments.pid_file))
        if not arguments.command:
            return machine.run_interactive()
        return machine.run_command(console_descriptor(arguments.console), arguments.time)
    finally:
        if machine:
            machine.stop()
        for share in shares:
            share.stop()


def end_by_signal(number, _):
    raise SystemExit(128 + number)


def main():
    arguments = parsed_arguments()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    try:
        with tempfile.TemporaryDirectory(prefix="ringway-vm-") as directory:
            sys.exit(run(arguments, directory))
    except UsageError as error:
        COMMAND.fail(error, 2)
    except (Failure, OSError) as failure:
        COMMAND.fail(failure, 125 if arguments.command else 1)
