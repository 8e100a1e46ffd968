"""`ringway serve` in a bed's host namespace."""


class Daemon:
    """A daemon with links for machines."""

    PREFIX6 = "fd00:1:2:3::/64"

    def __init__(self, bed, ringway, links, options=(), launcher=()):
        self.bed = bed
        self.ringway = ringway
        self.links = links
        self.options = options
        self.launcher = launcher
        self.program = None

    def start(self):
        listen = [argument for link in self.links for argument in ("--listen", link)]
        self.program = self.bed.start_until_ready(
            lambda notice: [
                *self.launcher, self.ringway, "serve", *listen, "--ipv6-prefix", self.PREFIX6, "--ready-fd", notice,
                *self.options], "the daemon", self.bed.host)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.bed.stop(self.program)
