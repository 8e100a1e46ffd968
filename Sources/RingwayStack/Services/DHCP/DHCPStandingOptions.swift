internal import RingwayModel
internal import RingwayWire

/// The options that are equal in every reply but a NAK, encoded once. The most important ones come first, because
/// options for which a message has no room are omitted.
struct DHCPStandingOptions {
    private let bytes: UnsafeMutableRawBufferPointer

    init(plan: NetworkPlan, configuration: DHCPServer.Configuration) {
        var encoded: [UInt8] = []
        func append(_ code: UInt8, _ value: [UInt8]) {
            guard !value.isEmpty, value.count <= 255 else { return }
            encoded.append(code)
            encoded.append(UInt8(value.count))
            encoded.append(contentsOf: value)
        }
        func bytes(_ addresses: [IPv4Address]) -> [UInt8] {
            // One option holds at most 63 addresses.
            addresses.prefix(63).flatMap { address in
                (0..<4).map { UInt8(truncatingIfNeeded: address.rawValue >> UInt32(24 - 8 * $0)) }
            }
        }
        let names = configuration.nameServers.isEmpty ? [plan.gatewayIPv4] : configuration.nameServers
        append(DHCPOption.subnetMask, bytes([plan.netmask]))
        append(DHCPOption.router, bytes([plan.gatewayIPv4]))
        append(DHCPOption.domainNameServer, bytes(names))
        append(DHCPOption.interfaceMTU, [UInt8(plan.mtu >> 8), UInt8(plan.mtu & 0xFF)])
        if let domain = plan.domainName, DomainNameEncoding.encode(domain) != nil {
            append(DHCPOption.domainName, Array(domain.utf8))
        }
        append(DHCPOption.broadcastAddress, bytes([plan.broadcastIPv4]))
        // A client that supports this option ignores the router option (RFC 3442), so the option repeats the default
        // route: a zero-length prefix through the gateway.
        append(DHCPOption.classlessStaticRoutes, [0] + bytes([plan.gatewayIPv4]))
        append(DHCPOption.networkTimeServer, bytes(configuration.timeServers))
        // A list that exceeds one option's 255 bytes is split over several options, which the client concatenates
        // (RFC 3397 §2, RFC 3396).
        var search = DomainNameEncoding.encode(plan.searchDomains, limit: 1_024)[...]
        while !search.isEmpty {
            append(DHCPOption.domainSearch, Array(search.prefix(255)))
            search = search.dropFirst(255)
        }
        self.bytes = .allocate(byteCount: max(encoded.count, 1), alignment: 1)
        self.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        self.bytes.copyBytes(from: encoded)
        count = encoded.count
    }

    private let count: Int

    /// Frees the memory; called once, by the server that owns the options.
    func deallocate() {
        bytes.deallocate()
    }

    /// Appends every option that fits.
    func append(to writer: inout DHCPOptionWriter) {
        var offset = 0
        while offset < count {
            let length = Int(bytes[offset + 1])
            writer.append(
                bytes[offset], UnsafeRawBufferPointer(rebasing: bytes[offset + 2..<offset + 2 + length]))
            offset += 2 + length
        }
    }
}
