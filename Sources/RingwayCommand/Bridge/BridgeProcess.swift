internal import CRingway
internal import Glibc

/// Settings that the bridge's own process needs, and COMMAND must not inherit: hence after the fork.
enum BridgeProcess {
    static func prepare() {
        // A peer that closes early must be an error of one write, not the end of the bridge.
        _ = ringway_ignore_signal(SIGPIPE, true)
        FileLimit.raise()
        // A document of ten thousand ports must not make us large for good.
        ringway_keep_little_memory()
    }
}
