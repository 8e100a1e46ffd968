"""Bulk transfers: files both ways, many at once, iperf3, a web benchmark, and readers that stop."""

import hashlib
import json
import re
import threading
import time

from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until

MEBIBYTE = 1 << 20

WEB_CONFIGURATION = """
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    client_max_body_size 0;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:8080 backlog=8192;
        listen [::1]:8080 backlog=8192;
        root {directory}/files;
        location /upload/ {{ alias {directory}/uploads/; dav_methods PUT; }}
    }}
}}
user root;
"""


def random_file(path, length):
    """A file of noise, and its digest."""
    digest = hashlib.sha256()
    with open("/dev/urandom", "rb") as noise, open(path, "wb") as file:
        for _ in range(length // MEBIBYTE):
            block = noise.read(MEBIBYTE)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(MEBIBYTE):
            digest.update(block)
    return digest.hexdigest()


class WebServer:
    """nginx on the loopback of the host's namespace, with one big file and one of ten mebibytes."""

    def __init__(self, bed, length):
        directory = bed.directory / "web"
        (directory / "files").mkdir(parents=True)
        (directory / "uploads").mkdir()
        self.directory = directory
        self.big = random_file(directory / "files" / "big", length)
        self.small = random_file(directory / "files" / "small", 10 * MEBIBYTE)
        (directory / "files" / "page").write_text("x" * 600)
        (directory / "nginx.conf").write_text(WEB_CONFIGURATION.format(directory=directory))
        bed.start(["nginx", "-p", directory, "-e", directory / "error.log", "-c", directory / "nginx.conf"], bed.host)
        bed.await_port(8080, bed.host)


FAMILIES = {"IPv4": "-4", "IPv6": "-6"}


def files(bed, guest, web):
    """A big file down and back up over each family, equal to the bit."""
    rates = []
    for family, flag in FAMILIES.items():
        copy = bed.directory / "copy"
        rate = guest.run(
            ["curl", "-sS", flag, "-o", copy, "-w", "%{speed_download}", "--max-time", 100,
             "http://host.ringway.internal:8080/big"])
        if file_digest(copy) != web.big:
            raise Failure(f"the file downloaded over {family} differs")
        uploaded = web.directory / "uploads" / family
        back = guest.run(
            ["curl", "-sS", "-f", flag, "-T", copy, "-w", "%{speed_upload}", "--max-time", 100,
             f"http://host.ringway.internal:8080/upload/{family}"])
        if file_digest(uploaded) != web.big:
            raise Failure(f"the file uploaded over {family} differs")
        rates.append(f"{family} {float(rate) * 8e-9:.1f} down {float(back.split()[-1]) * 8e-9:.1f} up Gb/s")
        uploaded.unlink()
        copy.unlink()
    return ", ".join(rates) + " (to and from files)"


def parallel_downloads(_, guest, web, count):
    started = time.monotonic()
    script = (
        f"seq {count} | xargs -P {count} -I{{}} sh -c "
        "'curl -sS --max-time 100 http://host.ringway.internal:8080/small | sha256sum'")
    digests = guest.run(["bash", "-c", script], seconds=115).split("\n")
    right = sum(line.startswith(web.small) for line in digests)
    if right != count:
        raise Failure(f"{right} of {count} downloads are equal")
    return f"{count} × 10 MiB equal in {time.monotonic() - started:.1f} s"


def web_benchmark(_, guest, __):
    text = guest.run(["wrk", "-t", 2, "-c", 256, "-d", "10s", "http://192.168.127.254:8080/page"], seconds=60)
    if "Socket errors" in text or "Non-2xx" in text:
        raise Failure(re.sub(r"\s+", " ", text)[-200:])
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not rate or float(rate[1]) == 0:
        raise Failure("no request was answered")
    return f"{float(rate[1]):.0f} requests/s, no socket error"


IPERF_MODES = {
    "up": [], "down": ["-R"], "8 up": ["-P", "8"], "8 down": ["-P", "8", "-R"], "both": ["--bidir"],
    "UDP up": ["-u", "-b", "500M"], "UDP down": ["-u", "-b", "500M", "-R"],
}


def iperf_report(text):
    report = json.loads(text)
    if "error" in report:
        raise Failure(report["error"])
    return report["end"]


def iperf(bed, guest, seconds):
    server = bed.start(["iperf3", "-s", "-p", 5201], bed.host)
    bed.await_port(5201, bed.host)
    figures = []
    for family, address in (("IPv4", guest.HOST4), ("IPv6", guest.HOST6)):
        row = []
        for mode, flags in IPERF_MODES.items():
            try:
                end = iperf_report(
                    guest.run(["iperf3", "-c", address, "-p", 5201, "-t", seconds, "-J", *flags], seconds=60))
            except Failure as failure:
                raise Failure(f"iperf3 {mode} over {family}: {failure}") from None
            received = end["sum"] if "-u" in flags else end["sum_received"]
            if received["bytes"] == 0:
                raise Failure(f"iperf3 {mode} over {family}: nothing arrived")
            row.append(f"{mode} {received['bits_per_second'] * 1e-9:.1f}")
            if mode == "both":
                row[-1] += f"+{end['sum_received_bidir_reverse']['bits_per_second'] * 1e-9:.1f}"
        figures.append(f"{family} Gb/s: " + ", ".join(row))
    bed.stop(server)
    return "; ".join(figures)


SLOW_READER = """
import hashlib, socket, sys, time
kind, host, port, length, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
if kind == "serve":
    listener = socket.create_server((host, port))
    print("listening", flush=True)
    peer, _ = listener.accept()
else:
    peer = socket.create_connection((host, port))
digest, count = hashlib.sha256(), 0
while True:
    block = peer.recv(1 << 18)
    if not block: break
    digest.update(block); count += len(block)
    if pause and count >= length // 8:
        print("stopped", flush=True); time.sleep(pause); print("reads on", flush=True); pause = 0
print(count, digest.hexdigest(), flush=True)
"""

WRITER = """
import hashlib, random, socket, sys
kind, host, port, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if kind == "serve":
    listener = socket.create_server((host, port))
    print("listening", flush=True)
    peer, _ = listener.accept()
else:
    peer = socket.create_connection((host, port))
digest, generator, count = hashlib.sha256(), random.Random(port), 0
while count < length:
    block = generator.randbytes(1 << 20)
    digest.update(block); peer.sendall(block); count += len(block)
peer.shutdown(socket.SHUT_WR)
print(count, digest.hexdigest(), flush=True)
"""


def slow_readers(bed, guest, length, pause):
    """Readers on both sides stop for a while: nothing is lost, and the bridge does not grow."""
    reader = bed.directory / "reader.py"
    writer = bed.directory / "writer.py"
    reader.write_text(SLOW_READER)
    writer.write_text(WRITER)
    before = guest.resident_bytes()
    host_reader = bed.start(
        ["python3", reader, "serve", "127.0.0.1", 8201, length, pause], bed.host, until="listening")
    host_writer = bed.start(["python3", writer, "serve", "127.0.0.1", 8202, length], bed.host, until="listening")
    guest_writer = guest.start(["python3", writer, "call", guest.HOST4, 8201, length])
    guest_reader = guest.start(["python3", reader, "call", guest.HOST4, 8202, length, pause])
    peak = [before]
    finished = threading.Event()

    def watch():
        while not finished.wait(0.2):
            try:
                peak[0] = max(peak[0], guest.resident_bytes())
            except (Failure, OSError):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for program in (host_reader, guest_reader):
            program.await_text("stopped", 60)
            wait_until(lambda: "reads on" in program.text, "the reader goes on", pause + 30)
        for read, written, way in (
            (host_reader, guest_writer, "guest to host"), (guest_reader, host_writer, "host to guest")
        ):
            if read.await_end(120).split("\n")[-2] != written.await_end(120).split("\n")[-2].replace("listening", ""):
                raise Failure(f"{way}: what was read differs from what was written")
    finally:
        finished.set()
        watcher.join()
        for program in (host_reader, host_writer, guest_writer, guest_reader):
            bed.stop(program)
    growth = (peak[0] - before) / MEBIBYTE
    # Each flow parks at most a window (4 MiB by default), in buffers that may be partly filled.
    if growth > 64:
        raise Failure(f"the bridge grew by {growth:.0f} MiB")
    return f"both sides stopped for {pause:g} s, {length >> 20} MiB each way equal, the bridge grew by {growth:.0f} MiB"
