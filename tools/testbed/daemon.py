"""`ringway serve` in a bed's host namespace."""

import os

from bed import Failure


class Daemon:
    """A daemon with links that machines can come to."""

    PREFIX6 = "fd00:1:2:3::/64"

    def __init__(self, bed, ringway, links, options=(), launcher=()):
        self.bed = bed
        self.ringway = ringway
        self.links = links
        self.options = options
        self.launcher = launcher
        self.program = None

    def start(self):
        ready, notice = os.pipe()
        listen = [argument for link in self.links for argument in ("--listen", link)]
        self.program = self.bed.start(
            [*self.launcher, self.ringway, "serve", *listen, "--ipv6-prefix", self.PREFIX6, "--ready-fd", notice,
             *self.options], self.bed.host, keep=(notice,))
        os.close(notice)
        with os.fdopen(ready) as lines:
            line = lines.readline()
        if line != "ready\n":
            self.program.process.wait(5)
            raise Failure(f"the daemon did not start: {self.program.text.strip()}")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.bed.stop(self.program)
