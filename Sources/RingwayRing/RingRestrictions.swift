internal import CRingway

/// The operations, submission flags and register calls that a ring of Ringway may use. The kernel refuses all others
/// (IORING_REGISTER_RESTRICTIONS, Linux 5.10).
///
/// seccomp does not filter the operations of a ring, so an unrestricted ring could open files and create sockets that
/// seccomp refuses to its thread. The restrictions are set before the ring is enabled, and an operation that is not
/// in this table completes with EACCES. The kernel checks opcodes, not arguments; `Operation.leaves` says what an
/// attacker who controls the shard's thread can still do with an operation.
public enum RingRestrictions {
    /// An operation that rings may perform.
    public struct Operation: Sendable {
        /// The kernel's name without its prefix, such as "RECVMSG" for IORING_OP_RECVMSG.
        public let name: String
        /// The opcode (include/uapi/linux/io_uring.h).
        public let code: UInt8
        /// What Ringway uses the operation for.
        public let use: String
        /// What an attacker who controls the shard's thread can do with the operation.
        public let leaves: String
        /// Whether this kernel has the operation. The kernel refuses a table with an opcode that it does not know.
        let isKnown: @Sendable (KernelFeatures) -> Bool

        init(
            _ name: String, _ code: io_uring_op, use: String, leaves: String,
            isKnown: @escaping @Sendable (KernelFeatures) -> Bool = { _ in true }
        ) {
            self.name = name
            self.code = UInt8(code.rawValue)
            self.use = use
            self.leaves = leaves
            self.isKnown = isKnown
        }
    }

    /// Every operation that `Ring` submits.
    public static let operations = [
        Operation(
            "WRITEV", IORING_OP_WRITEV, use: "frames of several slices to TAPs and stream links",
            leaves: "writes to descriptors that the process has"),
        Operation(
            "POLL_ADD", IORING_OP_POLL_ADD, use: "readiness of listeners, error queues and links",
            leaves: "learns when a descriptor of the process is ready"),
        Operation(
            "SENDMSG", IORING_OP_SENDMSG, use: "datagrams with their control messages",
            leaves: "sends to any address that the host reaches, and descriptors over unix sockets that are open"),
        Operation(
            "RECVMSG", IORING_OP_RECVMSG, use: "datagrams with their control messages",
            leaves: "reads what arrives at the process's sockets"),
        Operation(
            "ACCEPT", IORING_OP_ACCEPT, use: "clients of published ports",
            leaves: "takes clients of ports that the process listens on"),
        Operation(
            "ASYNC_CANCEL", IORING_OP_ASYNC_CANCEL, use: "the end of flows",
            leaves: "cancels operations of its own ring"),
        Operation(
            "CONNECT", IORING_OP_CONNECT, use: "TCP connections of guests",
            leaves: "connects existing sockets to any address that the host reaches"),
        Operation(
            "READ", IORING_OP_READ, use: "frames of devices; the doorbell",
            leaves: "reads descriptors that the process has"),
        Operation(
            "WRITE", IORING_OP_WRITE, use: "frames of one slice to TAPs and stream links",
            leaves: "writes to descriptors that the process has"),
        Operation(
            "SEND", IORING_OP_SEND, use: "payload of TCP connections", leaves: "sends on connected sockets"),
        Operation(
            "RECV", IORING_OP_RECV, use: "payload of TCP connections", leaves: "reads connected sockets"),
        Operation(
            "MSG_RING", IORING_OP_MSG_RING, use: "wakes another shard",
            leaves: "posts completions to the other shards' rings; there are no registered files to pass",
            isKnown: { $0.hasRingMessages }),
        Operation(
            "READ_MULTISHOT", io_uring_op(rawValue: UInt32(RINGWAY_OP_READ_MULTISHOT)), use: "frames of devices",
            leaves: "reads descriptors that the process has", isKnown: { $0.hasMultishotRead }),
    ]

    /// A register call that is made after a ring has been enabled.
    struct RegisterCall {
        let code: UInt8
        /// Whether this kernel has the call.
        let isKnown: @Sendable (KernelFeatures) -> Bool

        init(_ code: Int, isKnown: @escaping @Sendable (KernelFeatures) -> Bool) {
            self.code = UInt8(code)
            self.isKnown = isKnown
        }
    }

    /// The register calls for the ring's own descriptor (Linux 5.18), for the buffer rings of guests (5.19), and for
    /// synchronous cancellation (6.0).
    static let registerCalls = [
        RegisterCall(IORING_REGISTER_RING_FDS) { $0.hasRingMessages },
        RegisterCall(IORING_UNREGISTER_RING_FDS) { $0.hasRingMessages },
        RegisterCall(IORING_REGISTER_PBUF_RING) { $0.hasBufferRings },
        RegisterCall(IORING_UNREGISTER_PBUF_RING) { $0.hasBufferRings },
        RegisterCall(IORING_REGISTER_SYNC_CANCEL) { $0.hasMultishotReceive },
    ]

    /// The submission flags that a ring may use: IOSQE_BUFFER_SELECT and IOSQE_CQE_SKIP_SUCCESS.
    static let flags = UInt8(1 << IOSQE_BUFFER_SELECT_BIT | 1 << IOSQE_CQE_SKIP_SUCCESS_BIT)

    /// Restricts a ring that is not enabled yet. Returns zero, or a negated `errno`.
    static func apply(to ring: UnsafeMutablePointer<io_uring>, _ features: KernelFeatures) -> Int32 {
        let codes = operations.filter { $0.isKnown(features) }.map(\.code)
        let calls = registerCalls.filter { $0.isKnown(features) }.map(\.code)
        return ringway_restrict(ring, codes, UInt32(codes.count), calls, UInt32(calls.count), flags)
    }
}
