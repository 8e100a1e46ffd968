"""A service manager: opens a socket for a service, starts it, and prints the notifications that it gets.

usage: manager.py SOCKET NAME COMMAND [ARGUMENT...]

The service finds SOCKET, which listens, as its descriptor 3 under NAME: the path of a unix socket, or, of the name
"publish", a TCP port of every address. SIGHUP and SIGTERM are passed on.
"""

import os
import signal
import socket
import sys

path, name, command = sys.argv[1], sys.argv[2], sys.argv[3:]
if name == "publish":
    listener = socket.create_server(("::", int(path)), family=socket.AF_INET6, dualstack_ipv6=True)
else:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notices.bind("\0" + path)

service = os.fork()
if service == 0:
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(
        LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=name, NOTIFY_SOCKET="@" + path)
    os.execv(command[0], command)

for number in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(service, number))
while True:
    for line in notices.recv(4096).decode().splitlines():
        print(line, flush=True)
        if line == "STOPPING=1":
            raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(service, 0)[1]))
