"""A folder of this machine that the guest sees, by virtiofs."""

import os
import subprocess
import time

from ringway_tools.failure import Failure, UsageError
from ringway_tools.vm.link import quoted

SERVER = "/usr/lib/qemu/virtiofsd"


class Share:
    """A folder, the place in the guest, and the program that serves it while the guest runs."""

    def __init__(self, text, number):
        source, _, target = text.partition(":")
        self.source = os.path.abspath(source)
        self.target = target or "/mnt/" + os.path.basename(self.source)
        self.tag = f"share{number}"
        self.process = None
        if not os.path.isdir(self.source):
            raise UsageError(f"--share {text}: {self.source} is no folder")
        if not self.target.startswith("/") or any(letter.isspace() for letter in self.target):
            raise UsageError(f"--share {text}: the place in the guest must be a whole path without blanks")

    def start(self, directory):
        """Starts the server and waits until QEMU can reach it."""
        self.socket = f"{directory}/{self.tag}"
        self.log = f"{self.socket}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", SERVER, f"--socket-path={self.socket}", "-o",
                 f"source={self.source}", "-o", "cache=auto"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, errors="replace") as log:
                    raise Failure(f"{self.source} cannot be shared: {log.read().strip()[-300:]}")
            time.sleep(0.01)

    def arguments(self):
        return [
            "-chardev", f"socket,id={self.tag},path={quoted(self.socket)}",
            "-device", f"vhost-user-fs-pci,chardev={self.tag},tag={self.tag}"]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
