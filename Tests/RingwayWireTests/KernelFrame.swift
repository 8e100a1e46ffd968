import RingwayWire
import Testing

/// What Linux 6.18 sent through a veth pair with its offloads off: every checksum is the kernel's own.
struct KernelFrame: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kind: FrameSummary.Kind
    /// The frame from its ethernet header on.
    let bytes: [UInt8]

    init(_ name: String, _ kind: FrameSummary.Kind, _ hexadecimal: String) {
        testDescription = name
        self.kind = kind
        bytes = hex(hexadecimal)
    }

    static func named(_ name: String) throws -> KernelFrame {
        try #require(all.first { $0.testDescription == name })
    }

    static let all: [KernelFrame] = [
        KernelFrame(
            "MLDv2 report behind hop-by-hop options", .icmpv6,
            """
            33330000001602000000000186dd600000000024000100000000000000000000000000000000ff020000000000000000
            0000000000163a000502000001008f006f890000000104000000ff0200000000000000000001ff000001
            """),
        KernelFrame(
            "neighbour solicitation of an address being claimed", .icmpv6,
            """
            3333ff00000102000000000186dd6000000000203aff00000000000000000000000000000000ff020000000000000000
            0001ff0000018700972600000000fd0000090000000000000000000000010e0132f6ea9dbad8
            """),
        KernelFrame(
            "router solicitation", .icmpv6,
            """
            33330000000202000000000286dd6000000000103afffe80000000000000000000fffe000002ff020000000000000000
            00000000000285007b2a000000000101020000000002
            """),
        KernelFrame(
            "ARP request", .arp,
            """
            ffffffffffff020000000001080600010800060400010200000000010a0900010000000000000a090002
            """),
        KernelFrame(
            "ARP reply", .arp,
            """
            020000000001020000000002080600010800060400020200000000020a0900020200000000010a090001
            """),
        KernelFrame(
            "ping", .icmp,
            """
            020000000002020000000001080045000027d73a400040014f870a0900010a0900020800abf32df20001000102030405
            060708090a
            """),
        KernelFrame(
            "last IPv4 fragment", .fragment,
            """
            020000000002020000000001080045000094d73b00b940018e600a0900010a090002c0c1c2c3c4c5c6c7c8c9cacbcccd
            cecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfd
            feff000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d
            2e2f303132333435363738393a3b3c3d3e3f
            """),
        KernelFrame(
            "neighbour solicitation", .icmpv6,
            """
            3333ff00000202000000000186dd6000000000203afffd000009000000000000000000000001ff020000000000000000
            0001ff00000287007d8500000000fd0000090000000000000000000000020101020000000001
            """),
        KernelFrame(
            "neighbour advertisement", .icmpv6,
            """
            02000000000102000000000286dd6000000000203afffd000009000000000000000000000002fd000009000000000000
            00000000000188001c7f60000000fd0000090000000000000000000000020201020000000002
            """),
        KernelFrame(
            "ping over IPv6", .icmpv6,
            """
            02000000000202000000000186dd60085e9700133a40fd000009000000000000000000000001fd000009000000000000
            0000000000028000398d2df40001000102030405060708090a
            """),
        KernelFrame(
            "last IPv6 fragment", .fragment,
            """
            02000000000202000000000186dd60085e9700a82c40fd000009000000000000000000000001fd000009000000000000
            0000000000023a0005a84537fd3ea0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1
            c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1
            f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021
            22232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
            """),
        KernelFrame(
            "SYN", .tcp,
            """
            02000000000202000000000108004500003c328340004006f4240a0900010a090002c5d81e616c83bf2f00000000a002
            faf0a60a0000020405b40402080a071d7be3000000000103030a
            """),
        KernelFrame(
            "SYN-ACK", .tcp,
            """
            02000000000102000000000208004500003c00004000400626a80a0900020a0900011e61c5d838e96f336c83bf30a012
            fe88900a0000020405b40402080a81f7e842071d7be30103030a
            """),
        KernelFrame(
            "data", .tcp,
            """
            020000000002020000000001080045000039328540004006f4250a0900010a090002c5d81e616c83bf3038e96f348018
            003f794400000101080a071d7be381f7e84268656c6c6f
            """),
        KernelFrame(
            "FIN", .tcp,
            """
            020000000002020000000001080045000034328740004006f4280a0900010a090002c5d81e616c83bf3538e96f3f8011
            003fbd1200000101080a071d7be381f7e842
            """),
        KernelFrame(
            "datagram", .udp,
            """
            02000000000202000000000108004500001fb3564000401173630a0900010a090002c9ce1e62000b302e6f6464
            """),
        KernelFrame(
            "port unreachable", .icmp,
            """
            020000000001020000000002080045c0003b0bce000040015a200a0900020a0900010303112e000000004500001fb356
            4000401173630a0900010a090002c9ce1e62000b302e6f6464
            """),
        KernelFrame(
            "SYN over IPv6", .tcp,
            """
            02000000000202000000000186dd600560db00280640fd000009000000000000000000000001fd000009000000000000
            000000000002d8001e617da7c7c300000000a002fd20d2d70000020405a00402080a1b6d26c8000000000103030a
            """),
        KernelFrame(
            "data over IPv6", .tcp,
            """
            02000000000202000000000186dd600560db00250640fd000009000000000000000000000001fd000009000000000000
            000000000002d8001e617da7c7c42ee6b73080180040ddd000000101080a1b6d26c85a2e9c6e68656c6c6f
            """),
        KernelFrame(
            "datagram over IPv6", .udp,
            """
            02000000000202000000000186dd60070bd9000b1140fd000009000000000000000000000001fd000009000000000000
            000000000002e2b41e62000b31466f6464
            """),
        KernelFrame(
            "port unreachable over IPv6", .icmpv6,
            """
            02000000000102000000000286dd600328f1003b3a40fd000009000000000000000000000002fd000009000000000000
            000000000001010487600000000060070bd9000b1140fd000009000000000000000000000001fd000009000000000000
            000000000002e2b41e62000b31466f6464
            """),
    ]
}
