import Testing

@testable import Ringway

@Suite("Where guests come from, in words")
struct LinkAddressTests {
    @Test(
        "is read as it is written",
        arguments: ["qemu:/run/a.sock", "qemu-dgram:b", "vpnkit:/c:d", "tap:tap0", "fd:3", "fd:3,4"])
    func readBack(text: String) throws {
        #expect(try LinkAddress(text).description == text)
    }

    @Test(
        "is refused with what would be right",
        arguments: [
            ("", "is no link: it is one of qemu:PATH"), ("qemu", "is no link: it is one of qemu:PATH"),
            ("qemu:", "is no link: it is one of qemu:PATH"), ("quemu:/a", "is no kind of link: it is one of qemu:PATH"),
            ("tap:lo", "is no interface's name"), ("tap:sixteen-letters-x", "is no interface's name"),
            ("fd:x", "\"x\" is not the number of a descriptor"), ("fd:-1", "\"-1\" is not the number of a descriptor"),
            ("fd:3,", "\"\" is not the number of a descriptor"), ("fd:3,3", "descriptor 3 is named twice"),
            ("qemu:" + String(repeating: "x", count: 108), "has at the most 107 octets"),
        ])
    func refuse(text: String, reason: String) {
        let failure = #expect(throws: VirtualNetwork.Failure.self) { try LinkAddress(text) }
        #expect(failure?.description.contains(reason) == true)
    }
}
