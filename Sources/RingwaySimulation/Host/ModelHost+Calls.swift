internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayRing
internal import RingwayWire

/// System calls on the model's descriptors.
extension ModelHost {
    /// Reads a system call's address argument.
    static func read(_ address: UnsafePointer<sockaddr>, _ length: UInt32) -> TransportAddress? {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var port: UInt16 = 0
        guard ringway_read_socket_address(address, length, &high, &low, &port) else { return nil }
        return TransportAddress(address: IPAddress(high: high, low: low), port: port)
    }

    /// Writes an address into a buffer of the caller; returns the address's length.
    static func write(_ address: TransportAddress, to name: UnsafeMutableRawPointer, room: UInt32) -> UInt32 {
        var storage = sockaddr_storage()
        let length = ringway_socket_address(
            &storage, address.address.isIPv4, address.address.high, address.address.low, address.port)
        withUnsafeBytes(of: &storage) { bytes in
            if let base = bytes.baseAddress { name.copyMemory(from: base, byteCount: Int(min(room, length))) }
        }
        return length
    }

    /// Converts the kernel's `-errno` to the C library's -1 with `errno` set. Returns other results unchanged.
    static func result(_ value: Int) -> Int {
        guard value < 0 else { return value }
        errno = Int32(truncatingIfNeeded: -value)
        return -1
    }

    /// The file of a system call's descriptor. If there is none, the program under test has a bug, which is reported.
    func expected(_ descriptor: Int32, _ call: StaticString = #function) -> ModelFile? {
        if let file = known(descriptor) { return file }
        blame("\(call) on descriptor \(descriptor), which is closed")
        errno = EBADF
        return nil
    }

    func opened(_ file: ModelFile) -> Int32 { Int32(Self.result(Int(open(file)))) }

    static var nowhere4: TransportAddress { TransportAddress(address: IPAddress(IPv4Address(rawValue: 0)), port: 0) }
    static var nowhere6: TransportAddress { TransportAddress(address: IPAddress(high: 0, low: 0), port: 0) }
}
