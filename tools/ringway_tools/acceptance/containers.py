"""Uses of the network by a Docker engine and its containers, judged one by one."""

import re
import threading
import time

from ringway_tools.acceptance.transfers import MEBIBYTE, file_digest
from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until

# Published by Ringway from the host to the engine's namespace, where the engine publishes them.
PORTS = "18080-18089:18080-18089"
WEB_PORT = 18080
DATAGRAM_PORT = 18081
RESTART_PORT = 18082


class Scene:
    """An engine behind Ringway, a web server and a registry on the host, and an image to work with."""

    def __init__(self, bed, guest, engine, web, busybox, quick):
        self.bed = bed
        self.guest = guest
        self.engine = engine
        self.web = web
        self.quick = quick
        self.image = "base:1"
        engine.import_root(self.image, busybox, ["socat"], noise=4 if quick else 64)

    def container(self, script, *options, seconds=180.0):
        """Runs a shell script in a container that goes with it; its output."""
        return self.engine.docker("run", "--rm", *options, self.image, "sh", "-c", script, seconds=seconds)

    def service(self, name, script, *options):
        """Starts a container that stays."""
        self.engine.docker("run", "--detach", "--name", name, *options, self.image, "sh", "-c", script)

    def on_host(self, *arguments, seconds=60.0, check=True):
        return self.bed.run(arguments, self.bed.host, seconds=seconds, check=check)


def registry(scene):
    engine = scene.engine
    remote = f"{engine.registry}/noise:1"
    engine.docker("tag", scene.image, remote)
    started = time.monotonic()
    engine.docker("push", remote, seconds=180)
    pushed = time.monotonic() - started
    engine.docker("rmi", remote, scene.image)
    if engine.docker("images", "--quiet").strip():
        raise Failure("the image is still there after its removal")
    started = time.monotonic()
    engine.docker("pull", remote, seconds=180)
    pulled = time.monotonic() - started
    engine.docker("tag", remote, scene.image)
    return f"pushed in {pushed:.1f} s, pulled in {pulled:.1f} s"


RECIPE = """FROM base:1
RUN wget -O /tmp/big http://host.ringway.internal:8080/small && echo '{digest}  /tmp/big' | sha256sum -c
CMD ["sha256sum", "/tmp/big"]
"""


def build(scene):
    context = scene.bed.directory / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(RECIPE.format(digest=scene.web.small))
    scene.engine.docker("build", "--no-cache", "--tag", "built:1", context, seconds=180)
    if not scene.engine.docker("run", "--rm", "built:1").startswith(scene.web.small):
        raise Failure("the image holds another file than the host")
    return "a step downloaded 10 MiB, equal"


def names(scene):
    text = scene.container(
        "nslookup host.ringway.internal && nslookup gateway.docker.internal && "
        "nslookup -type=aaaa host.ringway.internal")
    for expected in (scene.guest.HOST4, scene.guest.GATEWAY4, scene.guest.HOST6):
        if expected not in text:
            raise Failure(f"no {expected} in {text!r}")
    return "A and AAAA of host and gateway"


RECEIVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 8301))
print("listening", flush=True)
peer, _ = listener.accept()
with open(sys.argv[1], "wb") as file:
    while data := peer.recv(1 << 20): file.write(data)
"""


def files(scene):
    received = scene.bed.directory / "received"
    receiver = scene.bed.start(["python3", "-c", RECEIVER, received], scene.bed.host, until="listening")
    text = scene.container(
        "set -e; wget -q -O /tmp/big http://host.ringway.internal:8080/big; sha256sum /tmp/big; "
        "nc host.ringway.internal 8301 </tmp/big")
    if not text.startswith(scene.web.big):
        raise Failure("the file downloaded differs")
    receiver.await_end(30)
    if file_digest(received) != scene.web.big:
        raise Failure("the file uploaded differs")
    size = received.stat().st_size // MEBIBYTE
    received.unlink()
    return f"{size} MiB down and up, equal"


def many(scene):
    count = 4 if scene.quick else 8
    failures = []

    def download(number):
        try:
            text = scene.container("wget -q -O - http://host.ringway.internal:8080/small | sha256sum")
            if not text.startswith(scene.web.small):
                failures.append(f"container {number}: the file differs")
        except Failure as failure:
            failures.append(f"container {number}: {failure}")

    started = time.monotonic()
    threads = [threading.Thread(target=download, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise Failure("; ".join(failures))
    return f"{count} containers, 10 MiB each, equal, in {time.monotonic() - started:.1f} s"


def ping(scene):
    text = scene.container("ping -c 3 -W 2 host.ringway.internal")
    if not re.search(r" 0% packet loss", text):
        raise Failure(text.strip().splitlines()[-1])
    return "3 of 3 answers"


WEB_CONTAINER = "mkdir -p /www && echo {text} >/www/page && exec httpd -f -p 80 -h /www"


def page(scene, port=WEB_PORT, address="127.0.0.1"):
    """The page that the host reads from a published port, or curl's error."""
    return scene.on_host(
        "curl", "-sS", "--max-time", "5", f"http://{address}:{port}/page", check=False).strip()


def published(scene):
    scene.service("web", WEB_CONTAINER.format(text="first"), "--publish", f"{WEB_PORT}:80")
    wait_until(lambda: page(scene) == "first", "the container's page on the host")
    count = 50 if scene.quick else 500
    script = (
        f"seq {count} | xargs -P 16 -I{{}} curl -sS --max-time 20 http://127.0.0.1:{WEB_PORT}/page | sort | uniq -c")
    answers = scene.on_host("bash", "-c", script, seconds=120).split()
    if answers != [str(count), "first"]:
        raise Failure(f"{count} requests, answers {answers}")
    return f"{count} requests answered"


def published_datagrams(scene):
    scene.service(
        "echo", f"exec socat UDP4-RECVFROM:{DATAGRAM_PORT},fork EXEC:cat",
        "--publish", f"{DATAGRAM_PORT}:{DATAGRAM_PORT}/udp")
    probe = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); "
        f"s.connect(('127.0.0.1', {DATAGRAM_PORT})); s.send(b'hello'); print(s.recv(100).decode())")
    try:
        wait_until(
            lambda: scene.on_host("python3", "-c", probe, check=False).strip() == "hello", "an answer by UDP", 10)
    finally:
        scene.engine.docker("rm", "--force", "echo")
    return "a datagram was answered"


def removed(scene):
    if not page(scene):
        scene.service("web", WEB_CONTAINER.format(text="first"), "--publish", f"{WEB_PORT}:80")
        wait_until(lambda: page(scene) == "first", "the container's page on the host")
    scene.engine.docker("rm", "--force", "web")
    probe = (
        "import socket; s = socket.create_connection(('127.0.0.1', {port})); s.settimeout(5); "
        "s.send(b'GET /page HTTP/1.0\\r\\n\\r\\n'); print(len(s.recv(100)))").format(port=WEB_PORT)
    started = time.monotonic()
    try:
        answer = scene.on_host("python3", "-c", probe).strip()
    except Failure as failure:
        answer = str(failure).rsplit(" ", maxsplit=4)[-1]
        if "reset" not in str(failure) and "refused" not in str(failure):
            raise Failure(f"the client met neither a refusal nor a reset: {failure}") from None
    else:
        raise Failure(f"the client read {answer} bytes after the container's end")
    ended = time.monotonic() - started
    scene.service("web", WEB_CONTAINER.format(text="second"), "--publish", f"{WEB_PORT}:80")
    wait_until(lambda: page(scene) == "second", "the new container's page on the host")
    scene.engine.docker("rm", "--force", "web")
    return f"the client was told after {ended:.2f} s, the next container answered"


def engine_killed(scene):
    scene.service(
        "lasting", WEB_CONTAINER.format(text="lasting"), "--publish", f"{RESTART_PORT}:80", "--restart", "always")
    wait_until(lambda: page(scene, RESTART_PORT) == "lasting", "the container's page on the host")
    scene.engine.kill()
    scene.engine.start()
    wait_until(lambda: page(scene, RESTART_PORT) == "lasting", "the page after the engine's restart", 30)
    scene.engine.docker("rm", "--force", "lasting")
    return "the port answers again"


CASES = {
    "registry": registry,
    "build": build,
    "container-names": names,
    "container-files": files,
    "container-many": many,
    "container-ping": ping,
    "published": published,
    "published-udp": published_datagrams,
    "removed": removed,
    "engine-killed": engine_killed,
}
