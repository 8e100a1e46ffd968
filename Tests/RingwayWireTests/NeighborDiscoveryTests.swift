import RingwayWire
import TestSupport
import Testing

/// RFC 4861.
@Suite("Neighbour discovery") struct NeighborDiscoveryTests {
    private let mac = MACAddress(rawValue: 0x5255_0000_0001)
    private let address = IPv6Address(high: 0xFD00 << 48, low: 1)

    private func message(_ frame: String) throws -> [UInt8] {
        Array(try KernelFrame.named(frame).bytes.dropFirst(54))
    }

    @Test func `reads what Linux asks`() throws {
        try message("neighbour solicitation").withUnsafeBytes {
            let solicitation = try #require(NeighborSolicitation($0))
            #expect(solicitation.target.description == "fd00:9::2")
            #expect(solicitation.sourceLinkLayerAddress?.description == "02:00:00:00:00:01")
            #expect(NeighborAdvertisement($0) == nil && RouterSolicitation($0) == nil)
        }
        try message("neighbour solicitation of an address being claimed").withUnsafeBytes {
            let solicitation = try #require(NeighborSolicitation($0))
            #expect(solicitation.sourceLinkLayerAddress == nil && solicitation.target.description == "fd00:9::1")
            // Linux adds a nonce (RFC 7527).
            #expect(solicitation.options.option(14)?.count == 8)
        }
        try message("neighbour advertisement").withUnsafeBytes {
            let advertisement = try #require(NeighborAdvertisement($0))
            #expect(advertisement.isSolicited && advertisement.overrides && !advertisement.isRouter)
            #expect(advertisement.targetLinkLayerAddress?.description == "02:00:00:00:00:02")
        }
        try message("router solicitation").withUnsafeBytes {
            #expect(RouterSolicitation($0)?.sourceLinkLayerAddress?.rawValue == 0x0200_0000_0002)
        }
    }

    @Test func `an advertisement survives the round trip`() throws {
        let fields = NeighborAdvertisementFields(
            target: address, targetLinkLayerAddress: mac, isRouter: true, isSolicited: false, overrides: true)
        let bytes = written(32) { #expect(fields.write(to: $0) == 32) }
        #expect(bytes == hex("8800 0000 a0000000 fd000000000000000000000000000001 0201 525500000001"))
        try bytes.withUnsafeBytes {
            let view = try #require(NeighborAdvertisement($0))
            #expect(view.isRouter && !view.isSolicited && view.overrides && view.target == address)
            #expect(view.targetLinkLayerAddress == mac)
        }
    }

    @Test func `a solicitation survives the round trip`() throws {
        let fields = NeighborSolicitationFields(target: address, sourceLinkLayerAddress: mac)
        let bytes = written(32) { #expect(fields.write(to: $0) == 32) }
        try bytes.withUnsafeBytes {
            let view = try #require(NeighborSolicitation($0))
            #expect(view.target == address && view.sourceLinkLayerAddress == mac)
        }
        let claim = NeighborSolicitationFields(target: address, sourceLinkLayerAddress: nil)
        let claimed = written(32) { #expect(claim.write(to: $0) == 24) }
        #expect(claimed.prefix(4) == [135, 0, 0, 0])
    }

    @Test func `a router presents itself`() {
        var length = 0
        let bytes = written(256) {
            var options = RouterAdvertisementFields(hasOtherConfiguration: true, routerLifetime: 1_800)
                .write(to: $0, capacity: 256)
            options.appendLinkLayerAddress(NDPOptions.sourceLinkLayerAddress, mac)
            options.appendMTU(1_500)
            options.appendPrefix(
                IPv6Address(high: 0xFD00 << 48, low: 0), validLifetime: .max, preferredLifetime: 14_400)
            options.appendRecursiveDNSServers([address], lifetime: 3_600)
            options.appendDomainSearchList(["ringway.internal"], lifetime: 3_600)
            #expect(!options.isOverfull)
            length = options.length
        }
        let expected = hex(
            """
            8600 0000 40 40 0708 00000000 00000000
            0101 525500000001
            0501 0000 000005dc
            0304 40 c0 ffffffff 00003840 00000000 fd000000000000000000000000000000
            1903 0000 00000e10 fd000000000000000000000000000001
            1f04 0000 00000e10 0772696e67776179 08696e7465726e616c 00 000000000000
            """)
        #expect(Array(bytes.prefix(length)) == expected)
    }

    @Test func `an option that does not fit is left out`() {
        _ = written(48) {
            var options = RouterAdvertisementFields(routerLifetime: 0).write(to: $0, capacity: 48)
            options.appendMTU(1_500)
            options.appendPrefix(address, validLifetime: 1, preferredLifetime: 1)
            options.appendRecursiveDNSServers([address], lifetime: 1)
            options.appendDomainSearchList(["a"], lifetime: 1)
            #expect(options.isOverfull && options.length == 48)
        }
    }

    @Test func `refuses what is malformed`() throws {
        let good = try message("neighbour solicitation")
        func refused(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { NeighborSolicitation($0) == nil } }
        #expect(!refused(good))
        #expect(refused(Array(good.prefix(23))) && refused(Array(good.dropLast())))
        #expect(refused(good.replacing(at: 1, with: 1)), "code")
        #expect(refused(good.replacing(at: 8, with: 0xFF)), "target is a group")
        #expect(refused(good.replacing(at: 25, with: 0)), "option without a length")
        #expect(refused(good.replacing(at: 25, with: 2)), "option beyond the message")
    }

    @Test("survives any bytes at all", arguments: [UInt64](1...16))
    func survivesNoise(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let buffer = GuardedBuffer(capacity: 4_096)
        for _ in 0..<500 {
            guard let options = NDPOptions(buffer.place(noise.bytes(Int(noise.next() % 80)).map { $0 & 3 })) else {
                continue
            }
            for code in UInt8(0)...3 {
                #expect(options.option(code)?.count ?? 0 <= 80)
                _ = options.linkLayerAddress(code)
            }
        }
    }
}
