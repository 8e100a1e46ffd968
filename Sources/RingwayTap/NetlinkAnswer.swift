internal import CRingway

/// The kernel's acknowledgement of one request, or its error.
struct NetlinkAnswer: Equatable {
    /// The request's sequence number.
    let sequence: UInt32
    /// The `errno`; zero for success.
    let errorNumber: Int32
    /// The kernel's text for the error (`NLMSGERR_ATTR_MSG`), if any.
    let explanation: String?

    /// The acknowledgements and errors in a datagram. Other messages are skipped. At a malformed message, parsing
    /// ends.
    static func parse(_ datagram: UnsafeRawBufferPointer) -> [NetlinkAnswer] {
        var answers: [NetlinkAnswer] = []
        var offset = 0
        while offset + NetlinkMessage.prologueLength <= datagram.count {
            let length = Int(datagram.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            guard length >= NetlinkMessage.prologueLength, length <= datagram.count - offset else { break }
            let message = UnsafeRawBufferPointer(rebasing: datagram[offset..<offset + length])
            if Int(message.loadUnaligned(fromByteOffset: 4, as: UInt16.self)) == Int(NLMSG_ERROR),
                let answer = NetlinkAnswer(message)
            {
                answers.append(answer)
            }
            offset += (length + 3) & ~3
        }
        return answers
    }

    /// Parses `nlmsghdr · error · the request's nlmsghdr (and, unless capped, its body) · attributes`.
    private init?(_ message: UnsafeRawBufferPointer) {
        guard message.count >= 36 else { return nil }
        sequence = message.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        errorNumber = 0 &- message.loadUnaligned(fromByteOffset: 16, as: Int32.self)
        let flags = Int(message.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        guard flags & Int(NLM_F_ACK_TLVS) != 0 else {
            explanation = nil
            return
        }
        let isCapped = flags & Int(NLM_F_CAPPED) != 0
        let echoed = Int(message.loadUnaligned(fromByteOffset: 20, as: UInt32.self))
        explanation = Self.explanation(in: message, from: 20 + (isCapped ? 16 : (min(echoed, message.count) + 3) & ~3))
    }

    private static func explanation(in message: UnsafeRawBufferPointer, from start: Int) -> String? {
        var offset = start
        while offset + 4 <= message.count {
            let length = Int(message.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            let type = Int(message.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self))
            guard length >= 4, length <= message.count - offset else { return nil }
            if type == ringway_explanation {
                let text = message[offset + 4..<offset + length].prefix { $0 != 0 }
                return String(decoding: text, as: UTF8.self)
            }
            offset += (length + 3) & ~3
        }
        return nil
    }
}
