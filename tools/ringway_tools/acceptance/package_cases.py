"""Cases of packages in a Debian root: installed, used, upgraded, removed."""

import os
import re
import shutil
import subprocess
import sys

from ringway_tools.acceptance import debian_root
from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until

# Programs and libraries of Swift that must not be there.
SWIFT = "command -v swift swiftc; find / -xdev -name 'libswift*' -o -xdev -name 'libFoundation*'"


def expect(condition, what):
    if not condition:
        raise Failure(what)


class Scene:
    """A root without Swift, with systemd as its first process, and the packages."""

    def __init__(self, bed, root, packages, web, tools):
        self.bed = bed
        self.root = root
        self.packages = packages
        self.web = web
        self.tools = tools
        for package in [*packages["first"], *packages["second"]]:
            shutil.copy(package, root.path / "root")
        # An ordinary user, with a service manager of their own.
        root.run(["useradd", "--create-home", "--uid", str(self.USER), "tester"])
        self.before = root.files()

    USER = 1000

    def as_user(self, arguments):
        return ["setpriv", f"--reuid={self.USER}", f"--regid={self.USER}", "--clear-groups", "env",
                "HOME=/home/tester", f"XDG_RUNTIME_DIR=/run/user/{self.USER}", *arguments]

    def install(self, which):
        names = [f"/root/{package.name}" for package in self.packages[which]]
        return self.root.run(["apt-get", "install", "-y", *names], 300)

    def process(self, unit="ringway-serve@default"):
        return self.root.run(["systemctl", "show", "-P", "MainPID", unit]).strip()


def install(scene):
    left = scene.root.shell(SWIFT, check=False).strip()
    expect(not left, f"there is Swift: {left[:200]}")
    scene.install("first")
    return f"{scene.root.run(['ringway', '--version']).strip()}, no Swift on the machine"


def run_as_root(scene):
    return download(scene, [])


def run_as_user(scene):
    return download(scene, scene.as_user([]))


def download(scene, prefix):
    output = scene.root.run(
        [*prefix, "ringway", "run", "--", "sh", "-c",
         "curl -sS --max-time 60 http://host.ringway.internal:8080/small | sha256sum"])
    expect(output.startswith(scene.web.small), f"the download differs: {output.strip()[:200]}")
    return "10 MiB equal"


def doctor(scene):
    return scene.root.run(["ringway", "doctor"]).strip().splitlines()[-1]


def completion(scene):
    """The completions of a tab in an interactive bash: commands after "ringway ", options after "ringway run --"."""
    script = r"""
. /usr/share/bash-completion/bash_completion
_completion_loader ringway
function=$(complete -p ringway | sed -n 's/.*-F \([^ ]*\) .*/\1/p')
try() {
    COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    $function "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "${COMPREPLY[@]}"
}
try ringway ""
try ringway run --pub
"""
    commands, options = scene.root.run(["bash", "-c", script]).strip().splitlines()[-2:]
    expect({"run", "attach", "serve", "publish"} <= set(commands.split()), f"after \"ringway \": {commands}")
    expect("--publish" in options, f"after \"ringway run --pub\": {options}")
    return f"{len(commands.split())} commands; {options.strip()}"


def manual(scene):
    """A page for every command, the agent and the configuration file."""
    listed = scene.root.run(["ringway", "--help"]).split("SUBCOMMANDS:")[1]
    commands = re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE)
    pages = ["ringway", *(f"ringway-{name}" for name in commands if name != "help"), "ringway-agent", "ringway.yaml"]
    for page in pages:
        text = scene.root.run(["man", page])
        for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"):
            expect(f"\n{heading}\n" in text, f"man {page}: no {heading}")
    return f"man ringway and {len(pages) - 1} more"


def units(scene):
    """systemd-analyze reports no problem."""
    names = ["ringway-serve@default.service", "ringway-serve@default.socket", "ringway-agent.service"]
    for options in ([*names], ["--user", "/usr/lib/systemd/user/ringway-serve@.service"]):
        result = subprocess.run(
            scene.bed.inside(scene.bed.host, scene.root.inside(
                ["env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", "verify", *options])),
            capture_output=True, text=True, check=False)
        said = (result.stdout + result.stderr).strip()
        expect(result.returncode == 0 and not said, f"systemd-analyze verify {' '.join(options)}: {said[:300]}")
    security = scene.root.run(["systemd-analyze", "security", "--no-pager", names[0]])
    return f"verified; {security.strip().splitlines()[-1].strip(' →:-)')}"


def service(scene):
    """A network as a service: ready, reloaded, with a port below 1024, its control socket and its user."""
    root = scene.root
    configuration = root.path / "etc/ringway/default.yaml"
    configuration.write_text(configuration.read_text() + "publish: [\"127.0.0.1:81:80\"]\n")
    root.run(["systemctl", "start", "ringway-serve@default"])
    status = root.run(["ringway", "status"])
    process = scene.process()
    expect(process in status, f"process {process} is not in: {status[:300]}")
    user = root.run(["stat", "-c", "%U", f"/proc/{process}"]).strip()
    expect(user == "ringway", f"it runs as {user}")
    expect(":81" in root.run(["ringway", "publish", "ls"]), "port 81 is not published")
    root.run(["systemctl", "reload", "ringway-serve@default"])
    wait_until(
        lambda: root.run(["systemctl", "is-active", "ringway-serve@default"], check=False).strip() == "active",
        "the end of the reload")
    expect(scene.process() == process, "the reload restarted it")
    return f"process {process} of user ringway, reloaded"


def guest(scene):
    """A machine in QEMU downloads through the service."""
    path = scene.root.seen_from_outside("/run/ringway/default/qemu.sock")
    output = subprocess.run(
        [scene.tools / "vm", "--link", f"qemu:{path}", "--time", "120", "--",
         "sh", "-c", "wget -q -O - http://host.ringway.internal:8080/small | sha256sum"],
        capture_output=True, text=True, check=False)
    expect(output.stdout.startswith(scene.web.small), f"the download differs: {(output.stdout + output.stderr)[-300:]}")
    return "10 MiB equal"


def activation(scene):
    """The socket unit starts the service when a guest connects."""
    root = scene.root
    (root.path / "etc/ringway/lab.yaml").write_text("network: 10.9.0.0/24\n")
    root.run(["systemctl", "start", "ringway-serve@lab.socket"])
    expect(scene.process("ringway-serve@lab") == "0", "it ran before")
    script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('connected')"
    subprocess.run(
        [sys.executable, "-c", script, root.seen_from_outside("/run/ringway/lab/guests.sock")], check=True,
        capture_output=True)
    wait_until(
        lambda: root.run(["systemctl", "is-active", "ringway-serve@lab"], check=False).strip() == "active", "the start")
    return f"started as process {scene.process('ringway-serve@lab')}"


def agent_unit(scene):
    """The agent's service finds no host here, and keeps on trying: the unit itself works."""
    root = scene.root
    (root.path / "etc/default/ringway-agent").write_text('RINGWAY_AGENT_OPTIONS="--host unix:/run/host.sock --queues 0"\n')
    root.run(["systemctl", "start", "ringway-agent"])
    process = wait_until(lambda: scene.process("ringway-agent").strip("0\n"), "the agent")
    wait_until(lambda: root.run(["ss", "-Hxl", "src", "/run/ringway-agent.sock"]).strip(), "the agent's socket")
    return f"process {process} listens"


def user_service(scene):
    """The same for an ordinary user, whose service manager starts it."""
    root = scene.root
    root.shell("install -d -o tester -g tester /home/tester/.config /home/tester/.config/ringway")
    (root.path / "home/tester/.config/ringway/mine.yaml").write_text("listen: qemu:/run/user/1000/vm.sock\n")
    root.run(["systemctl", "start", f"user@{scene.USER}"])
    root.run(scene.as_user(["systemctl", "--user", "start", "ringway-serve@mine"]))
    status = root.run(scene.as_user(["ringway", "status", "--name", "mine"]))
    expect("mine" in status, f"status: {status[:200]}")
    root.run(["systemctl", "stop", f"user@{scene.USER}"])
    return "started by the user's own manager"


def upgrade(scene):
    """The running network is left alone, and is reported as old."""
    scene.root.run(["systemctl", "start", "ringway-serve@default"])
    before, agent = scene.process(), scene.process("ringway-agent")
    said = scene.install("second")
    expect(scene.process() == before, "the network was restarted")
    expect(scene.process("ringway-agent") == agent, "the agent was restarted")
    expect(f"process {before}" in said and "ringway-serve@default.service" in said, "apt did not say that it is old")
    status = scene.root.run(["ringway", "status"])
    expect("restart it to run" in status, f"status does not say that it is old: {status[:200]}")
    configuration = (scene.root.path / "etc/ringway/default.yaml").read_text()
    expect("81:80" in configuration, "the configuration was replaced")
    scene.root.run(["systemctl", "restart", "ringway-serve@default"])
    expect(scene.process() != before, "a restart does not restart it")
    return "not restarted, said to be old, configuration kept"


def remove(scene):
    scene.root.run(["systemctl", "enable", "ringway-serve@default"])
    scene.root.run(["apt-get", "remove", "-y", "ringway", "ringway-agent"])
    state = scene.root.run(["systemctl", "is-active", "ringway-serve@default"], check=False).strip()
    expect(state != "active", f"the network is {state}")
    expect((scene.root.path / "etc/ringway/default.yaml").exists(), "the configuration is gone")
    return "networks ended, configuration kept"


def purge(scene):
    scene.root.run(["apt-get", "purge", "-y", "ringway", "ringway-agent"])
    left = sorted(scene.root.files() - scene.before)
    expect(not left, f"left: {' '.join(left)[:300]}")
    left = scene.root.shell("ls -d /run/ringway* 2>/dev/null", check=False).strip()
    expect(not left, f"left: {left}")
    return "nothing left"


CASES = {
    "install": install, "run": run_as_root, "run-as-user": run_as_user, "doctor": doctor, "completion": completion,
    "man": manual, "units": units, "service": service, "guest": guest, "activation": activation,
    "agent": agent_unit, "user-service": user_service, "upgrade": upgrade, "remove": remove, "purge": purge,
}


def newer_debian(bed, packages, suite):
    """Debian with AppArmor 4: the packages install, and its parser takes the profile."""
    root = debian_root.Root(bed, bed.directory / suite)
    debian_root.bootstrap(root.path, suite, ["apparmor"])
    for package in packages:
        shutil.copy(package, root.path / "root")
    root.run(["apt-get", "install", "-y", *(f"/root/{package.name}" for package in packages)], 300)
    version = root.run(["ringway", "--version"]).strip()
    root.run(["apparmor_parser", "--skip-kernel-load", "--skip-cache", "/etc/apparmor.d/ringway"])
    root.run(["apt-get", "purge", "-y", "ringway", "ringway-agent"])
    expect(not os.path.lexists(root.path / "etc/apparmor.d/ringway"), "the profile is left")
    shutil.rmtree(root.path, ignore_errors=True)
    return f"{version}; AppArmor takes the profile"
