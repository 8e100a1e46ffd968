internal import Glibc
internal import RingwaySystem

/// A reserved descriptor for when none is free: without it a client could be neither accepted nor reset.
struct SpareDescriptor: ~Copyable {
    private var descriptor = SpareDescriptor.open()

    private static func open() -> Int32 { HostCalls.spare() }

    deinit {
        if descriptor >= 0 { HostCalls.close(descriptor) }
    }

    /// Resets the next client in a listener's queue, by means of the reserved descriptor. False if the client must
    /// wait, because that descriptor is lost and cannot be opened again, or accept failed.
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
