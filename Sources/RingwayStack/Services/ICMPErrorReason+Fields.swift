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

    private func unreachableIPv4(_ code: UInt8) -> ICMPFields {
        ICMPFields(type: ICMPv4Header.destinationUnreachable, code: code)
    }

    private func unreachableIPv6(_ code: UInt8) -> ICMPFields {
        ICMPFields(type: ICMPv6Header.destinationUnreachable, code: code)
    }
}
