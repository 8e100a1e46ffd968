"""The machine: a QEMU process, its console, and the streams of the command that runs in it."""

import subprocess
import sys

from ringway_tools.failure import Failure
from ringway_tools.vm.streams import Input, Output

EMULATOR = "qemu-system-x86_64"

STATUS_OF_TIME_UP = 124


class Machine:
    """One run of one guest."""

    def __init__(self, kernel, root, memory, processors, shares):
        self.arguments = [
            # The emulator must not outlive the launcher, however that ends.
            "setpriv", "--pdeathsig", "KILL", EMULATOR,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", str(processors), "-m", f"{memory}M",
            "-kernel", str(kernel), "-initrd", str(root), "-append", "console=ttyS0 quiet panic=-1"]
        if shares:
            # The server of a share reads and writes the guest's memory itself.
            self.arguments += [
                "-object", f"memory-backend-memfd,id=memory,size={memory}M,share=on",
                "-numa", "node,memdev=memory"]
        for share in shares:
            self.arguments += share.arguments()
        self.descriptors = []
        self.process = None

    def add_link(self, link, mac, mtu):
        self.arguments += link.arguments(mac, mtu)
        self.descriptors += link.descriptors

    def write_process_id_to(self, path):
        self.arguments += ["-pidfile", path]

    def run_interactive(self):
        """The console is the terminal; ends when the guest does."""
        self.arguments += ["-serial", "mon:stdio"]
        self.process = subprocess.Popen(self.arguments, pass_fds=self.descriptors)
        status = self.process.wait()
        if status != 0:
            raise Failure(f"the emulator ended with status {status}")
        return 0

    def run_command(self, console, seconds):
        """The status of the guest's command, whose standard streams are ours.

        Console is a descriptor for what kernel and first process say, or None.
        """
        stdin, stdout, stderr = Input(0), Output(1), Output(2)
        result, terminal = Output(None), Output(console)
        self.arguments += ["-device", "virtio-serial-pci", *chardev("console", terminal), "-serial", "chardev:console"]
        for number, (name, stream) in enumerate(
            (("stdin", stdin), ("stdout", stdout), ("stderr", stderr), ("status", result)), start=1
        ):
            self.arguments += [
                *chardev(name, stream), "-device", f"virtserialport,nr={number},chardev={name},name={name}"]
        streams = [stdin, stdout, stderr, result, terminal]
        self.process = subprocess.Popen(
            self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            pass_fds=[*self.descriptors, *(stream.descriptor for stream in streams)])
        for stream in streams:
            stream.serve()
        try:
            _, complaints = self.process.communicate(timeout=seconds or None)
        except subprocess.TimeoutExpired:
            self.stop()
            for stream in (stdout, stderr, terminal):
                stream.finish()
            print(f"vm: the command has not ended within {seconds:g} s", file=sys.stderr)
            return STATUS_OF_TIME_UP
        for stream in (stdout, stderr, result, terminal):
            stream.finish()
        status = result.text.strip()
        if not status.isdigit():
            reason = complaints.decode(errors="replace").strip() or last_lines(terminal.text)
            raise Failure(f"the guest ended before its command did: {reason}")
        return int(status)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def chardev(name, stream):
    return ["-chardev", f"socket,id={name},fd={stream.descriptor}"]


def last_lines(text, count=5):
    return " / ".join(line.strip() for line in text.splitlines()[-count:] if line.strip()) or "it said nothing"
