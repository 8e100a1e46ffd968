"""The test bed: network namespaces and the programs in them. All of it goes with the bed."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from ringway_tools.failure import Failure


def wait_until(condition, what, seconds=20.0):
    """The condition's first true value; a failure that says what did not come about when time is up, and which programs
    beside the test have failed meanwhile, with their last words."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure("; ".join([f"{what}: not within {seconds:g} s", *Program.last_words()]))
        time.sleep(0.02)


def congestion_control():
    """cubic where namespaces may choose it, else the first that they may: the machine's own default can be one, such as
    BBR, whose pacing a measurement between namespaces would measure in place of the bridge."""
    allowed = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control").read_text().split()
    return "cubic" if "cubic" in allowed else allowed[0]


class Program:
    """A program that runs beside the test. Its output goes to a file, so it never waits for a reader."""

    # Those that have not been stopped.
    present = []

    def __init__(self, arguments, directory, name, stdin=subprocess.DEVNULL, keep=()):
        self.name = name
        self.output_path = directory / f"{name}.out"
        self.output = open(self.output_path, "w+b")
        self.process = subprocess.Popen(
            arguments, stdin=stdin, stdout=self.output, stderr=subprocess.STDOUT, start_new_session=True, pass_fds=keep)
        Program.present.append(self)

    @classmethod
    def last_words(cls):
        """A line for each program that has failed; of those that run, the last one's, if it has printed anything."""
        failed = [program for program in cls.present if program.process.poll() not in (None, 0)]
        lines = [f"{program.name} ended with status {program.process.returncode}: {program.text.strip()[-400:]}"
                 for program in failed]
        running = [program for program in cls.present if program.process.poll() is None]
        if not lines and running and running[-1].text.strip():
            lines.append(f"{running[-1].name} says: {running[-1].text.strip()[-400:]}")
        return lines

    @property
    def text(self):
        return self.output_path.read_text(errors="replace")

    def require_running(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended with status {self.process.returncode}: {self.text.strip()[-400:]}")
        return True

    def await_text(self, text, seconds=20.0):
        wait_until(
            lambda: text in self.text or (self.require_running() and False), f"\"{text}\" from {self.name}", seconds)

    def await_end(self, seconds):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} has not ended within {seconds:g} s: {self.text.strip()[-400:]}") from None
        if status != 0:
            raise Failure(f"{self.name} ended with status {status}: {self.text.strip()[-400:]}")
        return self.text

    def stop(self):
        if self in Program.present:
            Program.present.remove(self)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                # The whole group, which is the program's own: what it has started ends with it.
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.output.close()


class Bed:
    """Namespaces and programs of one measurement."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ringway-testbed-"))
        self.directory.chmod(0o755)
        self.programs = []
        self.namespaces = []
        self.count = 0

    def __enter__(self):
        try:
            self.host = self.namespace("host")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.stop()
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", name], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def namespace(self, role):
        name = f"ringway-{os.getpid()}-{role}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.namespaces.append(name)
        self.configure(name)
        return name

    def rename(self, namespace, process):
        """Gives a namespace's name to the one in which a process is, and its settings."""
        subprocess.run(["ip", "netns", "del", namespace], check=True)
        subprocess.run(["ip", "netns", "attach", namespace, str(process)], check=True)
        self.configure(namespace)

    def configure(self, name):
        """The settings of all namespaces."""
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        self.setting(
            name, f"net.ipv4.tcp_congestion_control={congestion_control()}", "net.ipv4.ping_group_range=0 2147483647",
            # Veth pairs carry traffic at once: there is no other host on them.
            "net.ipv6.conf.default.accept_dad=0",
            # The programs' own ports lie below.
            "net.ipv4.ip_local_port_range=16000 65000", "net.core.somaxconn=8192")

    def remove(self, namespace):
        """Deletes a namespace before the bed's end."""
        self.namespaces.remove(namespace)
        subprocess.run(["ip", "netns", "del", namespace], check=False)

    def setting(self, namespace, *settings):
        self.run(["sysctl", "-qw", *settings], namespace)

    def link(self, first, second, network):
        """A veth pair between two namespaces: `network`.1 at the first, `network`.2 at the second, IPv6 alike.

        Gives the name that its two ends have in their namespaces.
        """
        name = f"v{len(self.namespaces)}{network.split('.')[-1]}"
        subprocess.run(
            ["ip", "link", "add", name, "netns", first, "type", "veth", "peer", name, "netns", second], check=True)
        for number, namespace in ((1, first), (2, second)):
            subprocess.run(["ip", "-n", namespace, "addr", "add", f"{network}.{number}/24", "dev", name], check=True)
            subprocess.run(
                ["ip", "-n", namespace, "addr", "add", f"fd77:{network.split('.')[-1]}::{number}/64", "dev", name,
                 "nodad"], check=True)
            subprocess.run(["ip", "-n", namespace, "link", "set", name, "up"], check=True)
        return name

    def inside(self, namespace, arguments):
        return ["ip", "netns", "exec", namespace, *map(str, arguments)] if namespace else list(map(str, arguments))

    def run(self, arguments, namespace=None, seconds=120.0, check=True):
        """Runs a program to its end; its standard output."""
        try:
            result = subprocess.run(
                self.inside(namespace, arguments), capture_output=True, text=True, timeout=seconds,
                stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as late:
            said = (late.stderr or late.stdout or b"").decode(errors="replace").strip()[-400:]
            raise Failure("; ".join(
                [f"{arguments[0]} has not ended within {seconds:g} s" + (f": {said}" if said else ""),
                 *Program.last_words()])) from None
        if check and result.returncode != 0:
            raise Failure(
                f"{arguments[0]} ended with status {result.returncode}: "
                f"{(result.stderr.strip() or result.stdout.strip())[-400:]}")
        return result.stdout

    def start(self, arguments, namespace=None, until=None, **options):
        """Starts a program; when `until` is given, waits for that text of its output."""
        self.count += 1
        name = f"{self.count}-{pathlib.Path(str(arguments[0])).name}"
        program = Program(self.inside(namespace, arguments), self.directory, name, **options)
        self.programs.append(program)
        if until:
            program.await_text(until)
        return program

    def start_until_ready(self, command, what, namespace=None, **options):
        """Starts `command(descriptor)`, a program that writes "ready" to that descriptor, and waits until it has."""
        ready, notice = os.pipe()
        program = self.start(command(notice), namespace, keep=(notice,), **options)
        os.close(notice)
        with os.fdopen(ready) as lines:
            line = lines.readline()
        if line != "ready\n":
            program.process.wait(5)
            raise Failure(f"{what} did not start: {program.text.strip()}")
        return program

    def stop(self, program):
        program.stop()
        self.programs.remove(program)

    def await_port(self, port, namespace=None, kind="-tln"):
        wait_until(
            lambda: self.run(["ss", "-H", kind, f"sport = :{port}"], namespace).strip(), f"a listener on port {port}")
