"""UDP: the delivery rate of datagrams sent at full speed, one by one and by UDP_SEGMENT as QUIC sends them."""

import time

from ringway_tools.bench.measure import HIGHER, LOWER, Case, Measure, Metric
from ringway_tools.bench.scene import ANSWER_PORT, DATAGRAM_PORT, last_object

RATE = Metric("rate", "delivered", "datagrams/s", HIGHER, 0)
LOSS = Metric("loss", "lost", "%", LOWER, 1)
MERGED = 44

# Time for datagrams that are still queued when the sender ends.
DRAINING_SECONDS = 0.3


def figures(sent, received):
    seconds = max(sent["seconds"], received["seconds"])
    loss = 1 - received["datagrams"] / max(sent["datagrams"], 1)
    return {"rate": received["datagrams"] / seconds, "loss": max(0.0, loss) * 100}


def upward(size, segments):
    def sample(scene, link, seconds):
        merges = 1 if segments > 1 else 0
        with scene.serve([scene.datagrams, "receive", DATAGRAM_PORT, merges]) as receiver:
            text = link.run(
                [scene.datagrams, "send", link.host, DATAGRAM_PORT, size, seconds, segments, 0], seconds + 10)
            time.sleep(DRAINING_SECONDS)
            receiver.process.terminate()
            received = last_object(receiver.await_end(5), "the receiver")
        return figures(last_object(text, "the sender"), received)

    return sample


def downward(size, segments):
    """Like a download: the guest sends a request, the host sends datagrams to the request's source."""
    def sample(scene, link, seconds):
        merges = 1 if segments > 1 else 0
        with scene.serve([scene.datagrams, "answer", link.host, ANSWER_PORT, size, seconds, segments, 0]) as sender:
            with link.start([scene.datagrams, "ask", link.host, ANSWER_PORT, merges]) as receiver:
                text = sender.await_end(seconds + 10)
                time.sleep(DRAINING_SECONDS)
                receiver.process.terminate()
                received = last_object(receiver.await_end(5), "the receiver")
        return figures(last_object(text, "the sender"), received)

    return sample


def cases():
    for size, segments, text in (
        (64, 1, "64 bytes"), (1400, 1, "1400 bytes"), (1400, MERGED, "1400 bytes, UDP_SEGMENT and GRO"),
    ):
        name = f"{size}-merged" if segments > 1 else str(size)
        yield Case(f"{name}-up", f"{text}, guest to host", (RATE, LOSS), upward(size, segments))
        yield Case(f"{name}-down", f"{text}, host to guest", (RATE, LOSS), downward(size, segments))


UDP = Measure(
    "udp", "UDP, flat out",
    "One connected flow; the sender sends as fast as the kernel takes it (sendmmsg) and never waits, so that it "
    "competes with bridge and receiver for the cores. Delivered is what the receiver's program got per second; lost is "
    "the share of what was sent that it did not get, at that load. Buffers of both sockets are 4 MiB.",
    tuple(cases()))
