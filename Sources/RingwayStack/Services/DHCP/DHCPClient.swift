internal import RingwayModel

/// A DHCP client: an ethernet address, and the client identifier if it sent one (RFC 2131 §4.2).
struct DHCPClient {
    let mac: MACAddress
    /// Option 61, empty when absent. RFC 2132 allows 255 bytes; an identifier beyond 64 bytes is treated as absent, so
    /// that the ethernet address is used. Usual identifiers have 7 (type and MAC) to 20 bytes (RFC 4361).
    let identifier: DHCPText

    init(mac: MACAddress, identifier: UnsafeRawBufferPointer? = nil) {
        self.mac = mac
        self.identifier = identifier.flatMap { DHCPText($0) } ?? DHCPText()
    }
}
