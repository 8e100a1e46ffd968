"""A web server of a directory's files.

    server.py DIRECTORY      on a free port of the loopback, which is printed; ends with its standard input
"""

import functools
import http.server
import sys
import threading


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def listen(address, port, directory):
    handler = functools.partial(Handler, directory=directory)
    server = http.server.ThreadingHTTPServer((address, port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    print(listen("127.0.0.1", 0, sys.argv[1]).server_port, flush=True)
    sys.stdin.buffer.read()
