internal import Glibc
internal import RingwaySystem

/// A descriptor that is kept to have one when none is left: without it a client could be neither accepted nor turned away.
struct SpareDescriptor: ~Copyable {
    private var descriptor = SpareDescriptor.open()

    private static func open() -> Int32 { HostCalls.spare() }

    deinit {
        if descriptor >= 0 { HostCalls.close(descriptor) }
    }

    /// Resets the client that a listener has waiting. False when the descriptor has been lost to others, and the client
    /// waits.
    mutating func resetClient(of listener: Int32) -> Bool {
        if descriptor < 0 { descriptor = Self.open() }
        guard descriptor >= 0 else { return false }
        HostCalls.close(descriptor)
        let client = HostCalls.accept(listener)
        let isGone = client < 0 && errno == EAGAIN
        if client >= 0 { Endpoint.close(client, reset: true) }
        descriptor = Self.open()
        return client >= 0 || isGone
    }
}
