internal import RingwayModel

/// A client: an ethernet address, and the client identifier where one was sent (RFC 2131 §4.2).
struct DHCPClient {
    let mac: MACAddress
    /// Option 61, empty when absent. RFC 2132 bounds it at 255 bytes; one beyond 64 is treated as absent, which falls
    /// back to the ethernet address. Real ones are 7 (type and MAC) to 20 bytes (RFC 4361).
    let identifier: DHCPText

    init(mac: MACAddress, identifier: UnsafeRawBufferPointer? = nil) {
        self.mac = mac
        self.identifier = identifier.flatMap { DHCPText($0) } ?? DHCPText()
    }
}
