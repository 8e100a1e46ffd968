internal import RingwayEngine

/// Host ports to try, one after another, for a forward whose host ports the network chooses. The first may fail:
/// another program may bind a port after it was found to be free.
struct PortCandidates {
    /// The most attempts with ports that the kernel reports as free.
    private static var attempts: Int { 16 }

    private let forward: PortForward
    private var tried = 0

    init(_ forward: PortForward) { self.forward = forward }

    /// The forward with the next ports to try; `nil` if there are none left.
    mutating func next() throws(VirtualNetwork.Failure) -> PortForward? {
        defer { tried += 1 }
        var chosen = forward
        if forward.hostPorts.lowerBound > 0 {
            guard tried < forward.hostPorts.count else { return nil }
            let port = forward.hostPorts.lowerBound + UInt16(tried)
            chosen.hostPorts = port...port
            return chosen
        }
        let count = forward.guestPorts.count
        while tried < Self.attempts {
            do throws(HostListenFailure) {
                let port = try PortSockets.freePort(address: forward.hostAddress, isStream: forward.transport == .tcp)
                if Int(port) + count <= 65_536 {
                    chosen.hostPorts = port...(port + UInt16(count - 1))
                    return chosen
                }
            } catch {
                throw VirtualNetwork.Failure(
                    PortHolder.explain(error.errno, forward.hostAddress, 0, forward.transport),
                    PortHolder.kind(of: error.errno))
            }
            tried += 1
        }
        return nil
    }

    /// Why there are no more candidates, as the end of a sentence.
    var reason: String {
        if forward.hostPorts.lowerBound > 0 {
            return "every port from \(forward.hostPorts.lowerBound) to \(forward.hostPorts.upperBound) is in use"
        }
        return forward.guestPorts.count == 1
            ? "no port is free" : "no \(forward.guestPorts.count) ports in a row are free"
    }
}
