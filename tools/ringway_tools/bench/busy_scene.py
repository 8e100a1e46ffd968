"""A CI job's network: many downloads of mixed sizes at once, while other connections want answers."""

import signal
import time

from ringway_tools.bench.exchange_rates import figures, serve
from ringway_tools.bench.measure import LOWER, Case, Measure, Metric
from ringway_tools.bench.scene import EXCHANGE_PORT, EXCHANGE_PORTS, HOST, WEB_PORT
from ringway_tools.failure import Failure

KIBIBYTE = 1024
DOWNLOADS = 64
CONNECTIONS = 32

METRICS = (
    Metric("time", "all downloads", "s", LOWER, 2),
    Metric("p99", "exchanges' p99", "µs", LOWER, 0),
    Metric("p50", "exchanges' p50", "µs", LOWER, 0),
)

CONFIGURATION = """
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {host}:{port} backlog=1024;
        root {directory}/files;
    }}
}}
user root;
"""


def files(seconds):
    """Sizes in KiB of what is downloaded: many small ones and a few large ones, smaller ones in a quick run."""
    sizes = [16, 64, 256, 1024, 4096, 16384, 32768, 131072]
    return [sizes[index % len(sizes)] // (1 if seconds >= 1 else 4) for index in range(DOWNLOADS)]


def web_directory(scene, sizes):
    directory = scene.bed.directory / "web"
    (directory / "files").mkdir(parents=True, exist_ok=True)
    for size in set(sizes):
        path = directory / "files" / str(size)
        if not path.exists():
            path.write_bytes(b"\xa5" * (size * KIBIBYTE))
    (directory / "nginx.conf").write_text(CONFIGURATION.format(directory=directory, host=HOST, port=WEB_PORT))
    return directory


def sample(scene, link, seconds):
    sizes = files(seconds)
    directory = web_directory(scene, sizes)
    requests = directory / "requests"
    requests.write_text("".join(
        f'url = "http://{link.host if link.host != "127.0.0.1" else HOST}:{WEB_PORT}/{size}"\noutput = "/dev/null"\n'
        for size in sizes))
    with scene.serve(["nginx", "-p", directory, "-e", directory / "error.log", "-c", directory / "nginx.conf"],
                     until=""), serve(scene):
        scene.bed.await_port(WEB_PORT, scene.host)
        with link.start(
                [scene.exchanges, "ask", link.host, EXCHANGE_PORT, EXCHANGE_PORTS, 150, CONNECTIONS]) as asker:
            asker.await_text("running", 25)
            asker.process.send_signal(signal.SIGUSR1)
            started = time.monotonic()
            text = link.run(
                ["curl", "--silent", "--show-error", "--fail", "--no-keepalive", "--parallel", "--parallel-immediate",
                 "--parallel-max", DOWNLOADS, "--max-time", 90, "--write-out", "%{size_download}\\n", "--config",
                 requests], 100)
            elapsed = time.monotonic() - started
            asker.process.terminate()
            answers = figures(asker.await_end(10))
    arrived = sum(int(line) for line in text.split())
    if arrived != sum(sizes) * KIBIBYTE:
        raise Failure(f"{arrived} bytes arrived in place of {sum(sizes) * KIBIBYTE}")
    return {"time": elapsed, "p99": answers["p99"], "p50": answers["p50"]}


SCENE = Measure(
    "ci", "Downloads and exchanges at once",
    "64 HTTP downloads at once from nginx on the host, 16 KiB to 128 MiB (a quarter of that with --quick), while 32 "
    "connections exchange 64 bytes: how long all downloads take, and how long the exchanges wait meanwhile.",
    (Case("64", "64 downloads, 32 exchanging", METRICS, sample),))
