"""A client of the control socket, for the programs beside it."""

import http.client
import json
import socket


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.kind = (response.getheader("content-type") or "").split(";")[0]
        self.allow = response.getheader("allow")
        self.body = body

    def json(self):
        return json.loads(self.body)


def ask(path, method, target, body=None):
    """One request on a connection of its own; of a stream of events only the first bytes are read."""
    connection = Connection(path)
    try:
        headers = {} if body is None else {"content-type": "application/json"}
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        endless = response.getheader("content-type") == "text/event-stream"
        return Answer(response, response.read1(64) if endless else response.read())
    finally:
        connection.close()
