"""Sections of the manual pages beyond the help: files, environment and further pages."""

CONTROL = [
    ("/run/ringway/NAME.sock, $XDG_RUNTIME_DIR/ringway/NAME.sock",
     "The control socket of a network: the first for root, the second where XDG_RUNTIME_DIR is set."),
]
RESOLVER = [
    ("/etc/resolv.conf", "The name servers that the gateway asks, unless --dns names others. Changes are followed."),
]
DEVICE = [("/dev/net/tun", "The device that interfaces of guests are made with.")]
STATE = [
    ("/var/lib/ringway, $XDG_STATE_HOME/ringway",
     "What a network keeps between two starts; the first for root and the services of the package."),
]
CONFIGURATION = [
    ("/etc/ringway/NAME.yaml", "The configuration of the service ringway-serve@NAME; see ringway.yaml(5)."),
]

FILES = {
    "ringway": CONTROL + CONFIGURATION + STATE,
    "ringway-run": DEVICE + RESOLVER + CONTROL,
    "ringway-attach": DEVICE + RESOLVER + CONTROL,
    "ringway-serve": CONFIGURATION + CONTROL + RESOLVER + STATE + [
        ("/usr/lib/systemd/system/ringway-serve@.service, ringway-serve@.socket",
         "A service for each network: systemctl enable --now ringway-serve@lab serves /etc/ringway/lab.yaml. "
         "An upgrade of the package does not restart it."),
    ],
    "ringway-agent": [
        ("/etc/default/ringway-agent", "The options of ringway-agent.service."),
        ("/run/ringway-agent.sock", "Where programs in the guest ask for ports of the host."),
    ],
}

ENVIRONMENT = {
    "ringway": [
        ("XDG_RUNTIME_DIR", "Control sockets are in its directory ringway."),
        ("XDG_STATE_HOME", "The state of networks is in its directory ringway."),
    ],
    "ringway-serve": [
        ("LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES",
         "Sockets that a service manager opened; see sd_listen_fds(3). One of the name vpnkit speaks VPNKit's "
         "protocol."),
        ("NOTIFY_SOCKET", "Where a service manager is told about the start, reloads and the end; see sd_notify(3)."),
    ],
}

SEE_ALSO = {
    "ringway": ["ip-netns(8)", "network_namespaces(7)", "user_namespaces(7)"],
    "ringway-run": ["unshare(1)", "network_namespaces(7)", "user_namespaces(7)"],
    "ringway-attach": ["ip-netns(8)", "nsenter(1)", "network_namespaces(7)"],
    "ringway-serve": ["ringway-agent(1)", "qemu-system-x86_64(1)", "systemd.socket(5)"],
    "ringway-agent": ["ringway-serve(1)", "dockerd(8)", "vsock(7)"],
    "ringway.yaml": ["ringway-serve(1)", "systemctl(1)"],
}

# Facts about the installed agent, which its help cannot know.
AGENT = {
    "EXAMPLES": [
        (["systemctl enable --now ringway-agent"], "In a virtual machine, as a service with the options of "
         "/etc/default/ringway-agent."),
    ],
}

# Keys of the configuration file that are no options.
KEYS = {
    "host-loopback": "Whether guests reach services on the host's loopback, true or false. (default: true)",
    "host": "Whether guests reach any address of the host, true or false. (default: true)",
    "limits": "Bounds, by the names of their options: max-flows, pool-size and the others of ringway(1).",
    "leases": "A list of mac with address, name or both: guests that always get the same.",
    "names": "Domain names that guests can resolve, each with an address or one of each family.",
    "networks": "Several networks: the other keys under a name for each. Then they do not stand at the top.",
}
