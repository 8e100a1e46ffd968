import CRingway
import Glibc
import RingwayWire
import TestSupport
import Testing

@testable import RingwayEngine

@Suite("Socket address")
struct SocketAddressTests {
    /// What the kernel would read back from the value's bytes.
    private static func roundTrip(_ address: TransportAddress) -> TransportAddress? {
        var name = SocketAddress(address)
        let length = name.length
        return withUnsafeMutablePointer(to: &name) { SocketAddress.read(SocketAddress.pointer(to: $0), length: length) }
    }

    @Test(arguments: [UInt64](1...8))
    func `is read back as it was written`(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        for _ in 0..<200 {
            let port = UInt16(truncatingIfNeeded: noise.next())
            let ipv4 = IPAddress(IPv4Address(rawValue: UInt32(truncatingIfNeeded: noise.next())))
            let ipv6 = IPAddress(high: noise.next() | 1, low: noise.next())
            for address in [ipv4, ipv6] {
                let whole = TransportAddress(address: address, port: port)
                #expect(Self.roundTrip(whole) == whole)
            }
        }
    }

    @Test func `has the length of its family`() {
        #expect(SocketAddress().length == 0)
        let ipv4 = SocketAddress(TransportAddress(address: HostSockets.loopbackIPv4, port: 1))
        let ipv6 = SocketAddress(TransportAddress(address: HostSockets.loopbackIPv6, port: 1))
        #expect(ipv4.length == UInt32(MemoryLayout<sockaddr_in>.size))
        #expect(ipv6.length == UInt32(MemoryLayout<sockaddr_in6>.size))
        #expect(MemoryLayout<SocketAddress>.offset(of: \SocketAddress.length) ?? 0 >= MemoryLayout<sockaddr_in6>.size)
    }

    @Test func `becomes the other family when it is set anew`() {
        var name = SocketAddress(TransportAddress(address: HostSockets.loopbackIPv6, port: 9))
        let target = TransportAddress(address: HostSockets.loopbackIPv4, port: 53)
        name.set(target)
        let length = name.length
        let read = withUnsafeMutablePointer(to: &name) {
            SocketAddress.read(SocketAddress.pointer(to: $0), length: length)
        }
        #expect(read == target)
    }

    @Test func `reads an IPv4-mapped address as IPv4`() {
        var storage = sockaddr_in6()
        storage.sin6_family = sa_family_t(AF_INET6)
        storage.sin6_port = UInt16(80).bigEndian
        withUnsafeMutableBytes(of: &storage.sin6_addr) {
            $0.copyBytes(from: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3])
        }
        let address = withUnsafeBytes(of: &storage) { bytes in
            bytes.baseAddress.flatMap { SocketAddress.read($0, length: UInt32(bytes.count)) }
        }
        #expect(address == TransportAddress(address: IPAddress(IPv4Address(10, 1, 2, 3)), port: 80))
        #expect(address?.address.isIPv4 == true)
    }

    @Test func `is nothing when it is cut short or of another family`() {
        var name = SocketAddress(TransportAddress(address: HostSockets.loopbackIPv6, port: 9))
        withUnsafeMutablePointer(to: &name) { name in
            let bytes = SocketAddress.pointer(to: name)
            // The scope, the last word, may be missing (RFC 2133 had none).
            for length in UInt32(0)..<24 { #expect(SocketAddress.read(bytes, length: length) == nil) }
            bytes.pointee.sa_family = sa_family_t(AF_UNIX)
            #expect(SocketAddress.read(bytes, length: 28) == nil)
        }
    }

    @Test(.tags(.kernel), arguments: [true, false])
    func `is what the kernel says of a socket's two ends`(ipv4: Bool) {
        let server = HostSockets.bound(SOCK_DGRAM, ipv4: ipv4)
        let client = HostSockets.connected(SOCK_DGRAM, to: server.address)
        defer {
            close(server.descriptor)
            close(client)
        }
        #expect(SocketAddress.peer(of: client) == server.address)
        #expect(SocketAddress.local(of: client)?.address == HostSockets.loopback(ipv4))
        #expect(SocketAddress.peer(of: server.descriptor) == nil)
        #expect(SocketAddress.local(of: -1) == nil)
    }
}
