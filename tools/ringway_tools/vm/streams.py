"""The launcher's standard streams, carried to and from the guest through sockets that QEMU holds."""

import os
import socket
import threading

BLOCK = 1 << 16


class Stream:
    """A socket pair: one end is QEMU's, a thread serves the other until QEMU is gone."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.thread = None

    @property
    def descriptor(self):
        return self.theirs.fileno()

    def serve(self):
        """Starts to carry; QEMU has its end by now."""
        self.theirs.close()
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def finish(self, seconds=5.0):
        """Waits until all that QEMU wrote has been carried."""
        self.thread.join(seconds)

    def carry(self):
        raise NotImplementedError


class Input(Stream):
    """To the guest, from a descriptor."""

    def __init__(self, source):
        super().__init__()
        self.source = source

    def carry(self):
        try:
            while data := os.read(self.source, BLOCK):
                self.ours.sendall(data)
        except OSError:
            # The guest has ended, or standard input is closed.
            pass
        try:
            # QEMU signals the end to the guest's reader. If this end were closed, bytes in flight would be dropped.
            self.ours.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Output(Stream):
    """From the guest to a descriptor, or nowhere; the last lines are kept."""

    KEPT = 4096

    def __init__(self, target):
        super().__init__()
        self.target = target
        self.tail = b""

    def carry(self):
        while data := self.receive():
            self.tail = (self.tail + data)[-self.KEPT:]
            if self.target is not None:
                self.write(data)

    def receive(self):
        try:
            return self.ours.recv(BLOCK)
        except OSError:
            return b""

    def write(self, data):
        try:
            while data:
                data = data[os.write(self.target, data):]
        except OSError:
            # The reader of our output has closed it; the guest may continue.
            self.target = None

    @property
    def text(self):
        return self.tail.decode(errors="replace")
