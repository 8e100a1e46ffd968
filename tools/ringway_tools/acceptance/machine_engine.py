"""A Docker engine in a QEMU guest, and the cases judged there."""

import threading

from ringway_tools.acceptance.machines import INSIDE_SCRIPTS, WAYS, Way, take_verdicts
from ringway_tools.failure import Failure
from ringway_tools.testbed.bed import wait_until

CASES = ["engine", "registry", "build", "container", "published"]

PROGRAMS = [
    "dockerd", "docker", "docker-init", "docker-proxy", "containerd", "containerd-shim-runc-v2", "runc", "iptables",
    "ip6tables",
]

# Drivers of containers' networks and of their file systems, and what the engine's packet filter rules need.
MODULES = [
    "overlay", "bridge", "br_netfilter", "veth", "nf_tables", "nft_compat", "nft_chain_nat", "xt_conntrack",
    "xt_addrtype", "xt_MASQUERADE", "xt_nat", "xt_tcpudp",
]

# The directory of iptables' extensions.
EXTENSIONS = "/usr/lib/x86_64-linux-gnu/xtables"

PORT = 18080


def judge_machine(bed, report, name, ringway, web):
    """Boots a machine with an engine on the link of that name."""
    with WAYS[name](bed, ringway, ["-p", f"{PORT}:{PORT}"]) as way:
        options = [*way.options, "--processors", 2, "--file", f"{EXTENSIONS}:{EXTENSIONS}"]
        for module in MODULES:
            options += ["--module", module]
        files = [INSIDE_SCRIPTS / script for script in ("engine-cases.sh", "judging.sh")]
        watcher = threading.Thread(target=leave_word, args=(bed, web), daemon=True)
        watcher.start()
        take_verdicts(
            bed, report, name, Way(way.link, way.namespace, options), 3072, PROGRAMS, files,
            ["sh", "/engine-cases.sh", web.small, *CASES], CASES)


def leave_word(bed, web):
    """When the host reads the container's page, the machine finds it on the host's web server."""
    def page():
        return bed.run(
            ["curl", "-sS", "--max-time", 5, f"http://127.0.0.1:{PORT}/page"], bed.host, check=False).strip() == "page"

    try:
        wait_until(page, "the container's page on the host", 240)
        (web.directory / "files/published").write_text("page\n")
    except (Failure, OSError):
        # The case in the machine fails: its page was not read.
        pass
