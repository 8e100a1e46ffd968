import Testing

@testable import Ringway

@Suite("Guests in words")
struct GuestSelectorTests {
    @Test func `are addresses of either kind or names`() {
        #expect(GuestSelector("192.168.127.9") == .address(IPv4Address(192, 168, 127, 9)))
        #expect(GuestSelector("52:54:00:12:34:56") == .mac(MACAddress(rawValue: 0x5254_0012_3456)))
        #expect(GuestSelector("Web-1") == .name("web-1"))
    }

    @Test("are nothing else", arguments: ["", "a b", "-a", "a-", "a.b", "host", "gateway", "1.2.3", "ä"])
    func refuse(text: String) { #expect(GuestSelector(text) == nil) }
}
