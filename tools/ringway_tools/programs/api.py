"""Asks a control socket at random, by its own description, and holds every answer to that description.

usage: api.py SOCKET SEED ROUNDS

Each round asks every operation: with what the description allows, with one thing that it does not allow, and with
bytes that are no JSON. No answer may be a failure of the server's, none may have a status or a shape that is not
described, and what is not allowed is refused with the key that is at fault.
"""

import json
import sys
from urllib.parse import quote

from control import ask
from schema import Document

METHODS = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"]
NOISE = [b"", b"{", b"[]", b"nul", b'{"a":1,"a":2}', b'"\xff"', b"[" * 100, b"1e999", b"{}x", b'{"seconds":1e1}']


class Run:
    def __init__(self, path, seed):
        self.path = path
        self.document = Document(ask(path, "GET", "/openapi.json").json(), seed)
        self.random = self.document.random
        self.faults = []
        self.count = 0

    def ask(self, method, target, body, operation):
        """Sends a request, and checks the response against the description."""
        self.count += 1
        try:
            answer = ask(self.path, method, target, body)
        except OSError as error:
            return self.fault(method, target, body, f"no answer: {error!r}")
        if answer.status >= 500:
            return self.fault(method, target, body, f"status {answer.status}: {answer.body[:200]}")
        described = operation["responses"].get(str(answer.status))
        if described is None:
            return self.fault(method, target, body, f"status {answer.status} is not described: {answer.body[:200]}")
        content = self.document.resolve(described).get("content", {})
        if (answer.kind or None) not in (list(content) or [None]):
            self.fault(method, target, body, f"type {answer.kind} is not described")
        elif answer.kind == "application/json":
            for text in self.document.faults(content[answer.kind]["schema"], answer.json()):
                self.fault(method, target, body, text)
        return answer

    def fault(self, method, target, body, text):
        self.faults.append(f"{method} {target} {(body or b'')[:300]!r}: {text}")

    # Requests

    def target(self, path, operation):
        query = []
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"]
            if parameter["in"] == "path":
                value = self.random.choice([self.document.make(schema), self.random.choice(["0", "x", "%", "-1"])])
                if schema["type"] == "integer" and self.random.random() < 0.6:
                    value = self.random.randint(1, 40)
                path = path.replace("{" + parameter["name"] + "}", quote(str(value), safe="%"))
            elif self.random.random() < 0.5:
                query.append(f"{parameter['name']}={self.document.make(schema)}")
        return path + ("?" + "&".join(query) if query else "")

    def tame(self, value):
        """Keeps the number of ports that are really opened small."""
        if isinstance(value, list):
            return [self.tame(element) for element in value]
        if isinstance(value, dict):
            value = {key: self.tame(member) for key, member in value.items()}
            if isinstance(value.get("count"), int) and value["count"] > 50 and self.random.random() < 0.95:
                value["count"] = self.random.randint(1, 50)
        return value

    def operation(self, path, method, operation):
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        target = self.target(path, operation)
        if schema is None:
            self.ask(method, target, None, operation)
            if method == "GET":
                self.refused(self.ask(method, path.split("{")[0] + "?unheardOf=1", None, operation), "unheardOf", path)
            return
        value = self.tame(self.document.make(schema))
        whole = self.ask(method, target, json.dumps(value).encode(), operation)
        spoiled, key = self.document.spoil(schema, value)
        body = json.dumps(spoiled).encode()
        answer = self.ask(method, target, body, operation)
        # There are rules beyond the schema; a request that broke one already may be refused for that first.
        if answer and answer.status == 400 and whole and whole.status != 400:
            named = answer.json()["error"]["key"]
            if named != key:
                self.fault(method, target, body, f"the key is {named!r}, not {key!r}")
        if answer and answer.status < 300:
            self.fault(method, target, body, f"status {answer.status} although {key} is wrong")
        for noise in self.random.sample(NOISE, 2):
            answer = self.ask(method, target, noise, operation)
            if answer and answer.status not in (400, 404):
                self.fault(method, target, noise, f"status {answer.status}")

    def refused(self, answer, key, path):
        if "{" in path or answer is None:
            return
        if answer.status != 400 or answer.json()["error"]["key"] != key:
            self.fault("GET", path, None, f"status {answer.status}, not 400 with the key {key}")

    def wrong_method(self, path, methods):
        target = self.target(path, next(iter(methods.values())))
        known = {method.upper() for method in methods}
        method = self.random.choice([method for method in METHODS if method not in known])
        answer = ask(self.path, method, target)
        self.count += 1
        if answer.status != 405 or set(answer.allow.split(", ")) != known:
            self.fault(method, target, None, f"status {answer.status}, Allow {answer.allow}")

    def round(self):
        for path, methods in self.document.document["paths"].items():
            for method, operation in methods.items():
                self.operation(path, method.upper(), operation)
            self.wrong_method(path, methods)
        target = "/v1/" + self.random.choice(["", "x", "forwards/", "forwards/1/2", "%2e%2e", "status/"])
        if (status := ask(self.path, "GET", target).status) != 404:
            self.fault("GET", target, None, f"status {status}, not 404")


def main():
    path, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    run = Run(path, seed)
    for _ in range(rounds):
        run.round()
    for fault in run.faults[:40]:
        print(fault)
    print(f"{run.count} requests, {len(run.faults)} faults")
    sys.exit(1 if run.faults else 0)


if __name__ == "__main__":
    main()
