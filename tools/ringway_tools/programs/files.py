"""A web server with files of noise: GET /SIZE gives SIZE bytes that depend on SIZE alone, PUT answers with a digest.

    files.py PORT          prints "listening"
"""

import functools
import hashlib
import http.server
import random
import socket
import sys


@functools.lru_cache(maxsize=None)
def noise(size):
    return random.Random(size).randbytes(size)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = noise(int(self.path[1:]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        digest = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left:
            data = self.rfile.read(min(left, 1 << 18))
            if not data:
                break
            digest.update(data)
            left -= len(data)
        body = (digest.hexdigest() + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 256
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


server = Server(("::", int(sys.argv[1])), Handler)
print("listening", flush=True)
server.serve_forever()
