internal import RingwayModel
internal import RingwayWire

// The ICMP types and codes of each reason, per family.

extension ICMPError.Reason {
    var fieldsIPv4: ICMPFields {
        switch self {
        case .networkUnreachable: unreachableIPv4(ICMPv4Header.networkUnreachable)
        case .hostUnreachable: unreachableIPv4(ICMPv4Header.hostUnreachable)
        case .protocolUnreachable: unreachableIPv4(ICMPv4Header.protocolUnreachable)
        case .portUnreachable: unreachableIPv4(ICMPv4Header.portUnreachable)
        case .administrativelyProhibited: unreachableIPv4(ICMPv4Header.administrativelyProhibited)
        case .packetTooBig(let mtu):
            // The MTU field has 16 bits (RFC 1191 §4); a larger MTU exceeds any IPv4 packet.
            ICMPFields(
                type: ICMPv4Header.destinationUnreachable, code: ICMPv4Header.fragmentationNeeded,
                parameter: min(mtu, 65_535))
        case .hopLimitExceeded:
            ICMPFields(type: ICMPv4Header.timeExceeded, code: ICMPv4Header.hopLimitExceeded)
        case .reassemblyTimeExceeded:
            ICMPFields(type: ICMPv4Header.timeExceeded, code: ICMPv4Header.reassemblyTimeExceeded)
        case .reported(let type, let code, let parameter):
            ICMPFields(type: type, code: code, parameter: parameter)
        }
    }

    var fieldsIPv6: ICMPFields {
        switch self {
        case .networkUnreachable: unreachableIPv6(ICMPv6Header.noRoute)
        case .hostUnreachable: unreachableIPv6(ICMPv6Header.addressUnreachable)
        case .portUnreachable: unreachableIPv6(ICMPv6Header.portUnreachable)
        case .administrativelyProhibited: unreachableIPv6(ICMPv6Header.administrativelyProhibited)
        case .protocolUnreachable:
            // The pointer refers to the next-header field of the IPv6 header, its seventh byte.
            ICMPFields(
                type: ICMPv6Header.parameterProblem, code: ICMPv6Header.unrecognizedNextHeader, parameter: UInt32(6))
        case .packetTooBig(let mtu):
            ICMPFields(type: ICMPv6Header.packetTooBig, parameter: mtu)
        case .hopLimitExceeded:
            ICMPFields(type: ICMPv6Header.timeExceeded, code: ICMPv6Header.hopLimitExceeded)
        case .reassemblyTimeExceeded:
            ICMPFields(type: ICMPv6Header.timeExceeded, code: ICMPv6Header.reassemblyTimeExceeded)
        case .reported(let type, let code, let parameter):
            ICMPFields(type: type, code: code, parameter: parameter)
        }
    }

    /// Translates the reason of an error to the other address family (RFC 7915 §4.2 and §5.2); `nil` if that family
    /// has no equivalent. The error is about a packet of the host; the guest's own packet was of the other family.
    ///
    /// - Parameter isIPv4: whether the host's packet is an IPv4 packet.
    func translated(fromIPv4 isIPv4: Bool) -> Self? {
        var reason: Self? = self
        if case .reported(let type, let code, let parameter) = self {
            reason = isIPv4 ? Self(typeIPv4: type, code, parameter) : Self(typeIPv6: type, code, parameter)
        }
        guard case .packetTooBig(let mtu)? = reason else { return reason }
        // An IPv6 header is 20 bytes longer than an IPv4 header. The MTU for IPv6 is at least 1,280 bytes, even if an
        // old IPv4 router has reported zero.
        return .packetTooBig(mtu: isIPv4 ? max(mtu &+ 20, UInt32(NetworkPlan.minimumMTU)) : max(mtu, 20) &- 20)
    }

    /// The reason that corresponds to an ICMP error; `nil` if there is none.
    private init?(typeIPv4 type: UInt8, _ code: UInt8, _ parameter: UInt32) {
        switch (type, code) {
        case (ICMPv4Header.destinationUnreachable, ICMPv4Header.networkUnreachable): self = .networkUnreachable
        case (ICMPv4Header.destinationUnreachable, ICMPv4Header.protocolUnreachable): self = .protocolUnreachable
        case (ICMPv4Header.destinationUnreachable, ICMPv4Header.portUnreachable): self = .portUnreachable
        case (ICMPv4Header.destinationUnreachable, ICMPv4Header.fragmentationNeeded):
            self = .packetTooBig(mtu: parameter)
        // Codes 9, 10 and 13: a firewall prohibits traffic to the network, to the host, or of this kind (RFC 1812
        // §5.2.7.1).
        case (ICMPv4Header.destinationUnreachable, 9), (ICMPv4Header.destinationUnreachable, 10),
            (ICMPv4Header.destinationUnreachable, ICMPv4Header.administrativelyProhibited):
            self = .administrativelyProhibited
        case (ICMPv4Header.destinationUnreachable, _): self = .hostUnreachable
        case (ICMPv4Header.timeExceeded, ICMPv4Header.hopLimitExceeded): self = .hopLimitExceeded
        case (ICMPv4Header.timeExceeded, ICMPv4Header.reassemblyTimeExceeded): self = .reassemblyTimeExceeded
        default: return nil
        }
    }

    /// The reason that corresponds to an ICMPv6 error; `nil` if there is none.
    private init?(typeIPv6 type: UInt8, _ code: UInt8, _ parameter: UInt32) {
        switch (type, code) {
        case (ICMPv6Header.destinationUnreachable, ICMPv6Header.noRoute): self = .networkUnreachable
        case (ICMPv6Header.destinationUnreachable, ICMPv6Header.administrativelyProhibited):
            self = .administrativelyProhibited
        case (ICMPv6Header.destinationUnreachable, ICMPv6Header.portUnreachable): self = .portUnreachable
        case (ICMPv6Header.destinationUnreachable, _): self = .hostUnreachable
        case (ICMPv6Header.packetTooBig, _): self = .packetTooBig(mtu: parameter)
        case (ICMPv6Header.timeExceeded, ICMPv6Header.hopLimitExceeded): self = .hopLimitExceeded
        case (ICMPv6Header.timeExceeded, ICMPv6Header.reassemblyTimeExceeded): self = .reassemblyTimeExceeded
        case (ICMPv6Header.parameterProblem, ICMPv6Header.unrecognizedNextHeader): self = .protocolUnreachable
        default: return nil
        }
    }

    private func unreachableIPv4(_ code: UInt8) -> ICMPFields {
        ICMPFields(type: ICMPv4Header.destinationUnreachable, code: code)
    }

    private func unreachableIPv6(_ code: UInt8) -> ICMPFields {
        ICMPFields(type: ICMPv6Header.destinationUnreachable, code: code)
    }
}
