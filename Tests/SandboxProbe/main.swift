// What one could do who has taken over a thread of Ringway. For tests: it contains itself as Ringway does, makes one
// system call, and prints its result or a negated errno. The kernel ends it if the call is a deed.
//
//     sandbox-probe THREAD CALL [ARGUMENT]...
//     sandbox-probe lists
//
// The second form prints the declared calls, a line for each: THREAD, CALL and what needs it, with tabs between them.
// THREAD is "process", "shard" or "names" of `ringway`, "agent" or "frames" of `ringway-agent`, or "docker-proxy". An argument is a number, or "text:" and text whose address is passed.

import CSandboxProbe
import CSeccomp
import Glibc
import RingwayContainment
import RingwaySystem

if CommandLine.arguments.dropFirst() == ["lists"] {
    let lists: KeyValuePairs = [
        "process": SystemCallList.process(1), "shard": .shard(1, 2), "names": .names(1, 2),
        "agent": .agent(1, mounts: true), "frames": .frames(1, 2), "docker-proxy": .dockerProxy(1),
    ]
    for (thread, list) in lists {
        for group in list.groups {
            for call in group.calls { print("\(thread)\t\(call.name)\t\(group.purpose)") }
        }
    }
    exit(0)
}

func value(_ argument: String) -> UInt {
    if argument.hasPrefix("text:") { return UInt(bitPattern: strdup(String(argument.dropFirst(5)))) }
    if argument.hasPrefix("0x") { return UInt(argument.dropFirst(2), radix: 16) ?? 0 }
    return UInt(bitPattern: Int(argument) ?? 0)
}

let threads: [String: (Profile, ThreadKind)] = [
    "process": (.bridge, .service), "shard": (.bridge, .shard), "names": (.bridge, .names),
    "agent": (.agent(mounts: false), .service), "frames": (.agent(mounts: false), .frames),
    "docker-proxy": (.dockerProxy, .service),
]
guard CommandLine.arguments.count >= 3, let (profile, kind) = threads[CommandLine.arguments[1]] else {
    print("usage: sandbox-probe THREAD CALL [ARGUMENT]...")
    exit(2)
}
let number = seccomp_syscall_resolve_name(CommandLine.arguments[2])
guard number >= 0 else {
    print("absent")
    exit(3)
}
var arguments = CommandLine.arguments.dropFirst(3).map(value)
arguments += Array(repeating: 0, count: max(0, 6 - arguments.count))

Containment.enter(.on, as: profile)
guard Containment.layers.allSatisfy({ $0.obstacle == nil }) else {
    print("not contained: \(Containment.layers)")
    exit(4)
}
let given = arguments
let thread = try SystemThread("probe", kind: kind) {
    var text = "\(probe_system_call(Int(number), given))\n"
    text.withUTF8 { _ = write(1, $0.baseAddress, $0.count) }
}
thread.join()
