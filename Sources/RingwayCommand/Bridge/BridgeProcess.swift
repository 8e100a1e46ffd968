internal import CRingway
internal import Glibc
internal import RingwayContainment

/// Settings of this process that COMMAND must not inherit. They are set after COMMAND's process is forked, but before
/// the first thread starts.
enum BridgeProcess {
    static func prepare(_ sandbox: Containment.Mode) {
        // A write to a closed connection must return an error instead of ending the bridge.
        _ = ringway_ignore_signal(SIGPIPE, true)
        FileLimit.raise()
        // Publishing ten thousand ports needs much memory, which the allocator must return to the kernel afterwards.
        ringway_keep_little_memory()
        Containment.enter(sandbox, as: .bridge)
        for layer in Containment.layers {
            if let obstacle = layer.obstacle { StandardError.write("sandbox: no \(layer.name): \(obstacle)") }
        }
    }
}
