"""A namespace of the bed whose only uplink is `ringway attach`."""

import json

from ringway_tools.testbed.bed import wait_until


class AttachedNamespace:
    """Ringway in the bed's host namespace, its guest in a namespace that exists already."""

    GATEWAY4 = "192.168.127.1"
    HOST4 = "192.168.127.254"
    GUEST4 = "192.168.127.2"
    HOST6 = "fd00:1:2:3::fe"

    def __init__(self, bed, ringway, namespace, options=()):
        self.bed = bed
        self.namespace = namespace
        self.ringway = ringway
        self.options = options
        self.statistics_path = bed.directory / f"statistics-{namespace}.json"
        self.program = None

    def start(self):
        self.program = self.bed.start_until_ready(
            lambda notice: [
                self.ringway, "attach", "--netns", f"/run/netns/{self.namespace}", "--ipv6-prefix", "fd00:1:2:3::/64",
                "--statistics", self.statistics_path, "--ready-fd", notice, *self.options], "the bridge",
            self.bed.host)

    def stop(self):
        self.bed.stop(self.program)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, arguments, seconds=120.0, check=True):
        return self.bed.run(arguments, self.namespace, seconds=seconds, check=check)

    def statistics(self):
        return json.loads(self.statistics_path.read_text())

    def await_statistics(self, condition, what, seconds=30.0):
        return wait_until(lambda: condition(self.statistics()), what, seconds)
