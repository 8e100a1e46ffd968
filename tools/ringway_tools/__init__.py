"""The Python behind tools/: test bed, acceptance, measurements, virtual machines.

    paths         where things of the repository are
    command       what the programs in tools/ have in common: root, binaries, packages, interruption
    failure       the exceptions that a command reports in one line
    testbed       network namespaces, a guest of `ringway run`, `ringway attach` and `ringway serve` in them
    programs      programs that run inside namespaces and guests: clients, servers, attackers. The end-to-end tests
                  (Tests/EndToEndTests) run the same ones, each by its path
    acceptance    the suites of tools/acceptance
    bench         tools/bench and tools/timestamps: Ringway beside its peers
    bystanders    tools/bystanders: a guest beside a hostile one
    counting      instructions by callgrind: tools/pump, scaling, twin and benchmark-thresholds
    vm            tools/vm: a small QEMU guest
    plots         plots by matplotlib, in one style

A script in tools/ imports one of these and calls its `main`. Python finds the package because it looks beside the
script first. Scripts run with -B, so that no byte code is left in the source tree.

Both test beds are laid out alike (testbed/bed.py here, TestBed.swift in Tests/EndToEndTests):

    host namespace      ringway and the servers that guests reach as 192.168.127.254
    guest namespace     made by `ringway run`, or made by the bed and given to `ringway attach`; eth0 is 192.168.127.2
    outside namespaces  joined to the host by veth pairs, where a client or a server must not be on the host

Namespaces are named ringway-PID-ROLE and are removed with the bed, as are its programs and its temporary directory.
"""
