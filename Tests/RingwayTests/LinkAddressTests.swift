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
            ("", "unknown kind of link \"\"; use one of qemu:PATH, qemu-dgram:PATH"),
            ("qemu", "PATH is missing; use qemu:PATH"), ("fd:", "N[,N...] is missing; use fd:N[,N...]"),
            ("quemu:/a", "unknown kind of link \"quemu\"; did you mean \"qemu\"?"),
            ("qemu-dgarm:/a", "did you mean \"qemu-dgram\"?"),
            ("/run/a.sock", "unknown kind of link \"/run/a.sock\"; use one of"),
            ("tap:lo", "is not an interface's name"), ("tap:sixteen-letters-x", "is not an interface's name"),
            ("fd:x", "\"x\" is not the number of a descriptor"), ("fd:-1", "\"-1\" is not the number of a descriptor"),
            ("fd:+3", "\"+3\" is not the number of a descriptor"),
            ("vsock:+1024", "\"+1024\" is not a port of a vsock"),
            ("fd:3,", "\"\" is not the number of a descriptor"), ("fd:3,3", "descriptor 3 is named twice"),
            ("qemu:" + String(repeating: "x", count: 108), "has 1 to 107 bytes"),
        ])
    func refuse(text: String, reason: String) {
        let failure = #expect(throws: VirtualNetwork.Failure.self) { try LinkAddress(text) }
        #expect(failure?.description.contains(reason) == true)
    }
}
