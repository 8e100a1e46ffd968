/// A client identifier or a host name of up to 64 bytes, stored without an allocation.
struct DHCPText: Equatable {
    static var capacity: Int { 64 }

    private(set) var count: Int
    private var storage: InlineArray<64, UInt8>

    /// The empty text.
    init() {
        count = 0
        storage = .init(repeating: 0)
    }

    /// Copies `bytes`; `nil` if they do not fit.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= Self.capacity else { return nil }
        self.init()
        count = bytes.count
        for index in 0..<bytes.count { storage[index] = bytes[index] }
    }

    /// Copies a host name without its trailing NULs and dot; `nil` if it is invalid. A valid name has up to 63 bytes:
    /// letters, digits, hyphens and dots, without empty labels or hyphens at the ends of labels (RFC 952, RFC 1123
    /// §2.1). A guest's host name is sent back and appears in reports, so an invalid one is refused rather than
    /// escaped.
    init?(hostName bytes: UnsafeRawBufferPointer) {
        var length = bytes.count
        while length > 0, bytes[length - 1] == 0 { length -= 1 }
        if length > 0, bytes[length - 1] == UInt8(ascii: ".") { length -= 1 }
        guard length > 0, length < Self.capacity else { return nil }
        var labelLength = 0
        var previous = UInt8(ascii: ".")
        for index in 0..<length {
            let character = bytes[index]
            switch character {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                labelLength += 1
            case UInt8(ascii: "-"):
                guard labelLength > 0 else { return nil }
                labelLength += 1
            case UInt8(ascii: "."):
                guard labelLength > 0, previous != UInt8(ascii: "-") else { return nil }
                labelLength = 0
            default:
                return nil
            }
            previous = character
        }
        guard previous != UInt8(ascii: "-") else { return nil }
        self.init(UnsafeRawBufferPointer(rebasing: bytes[..<length]))
    }

    subscript(index: Int) -> UInt8 { storage[index] }

    var isEmpty: Bool { count == 0 }

    /// Calls `body` with the bytes.
    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeBytes(of: storage) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    /// The text as a string. Allocates, so only for reports.
    var string: String {
        var scalars = String.UnicodeScalarView()
        for index in 0..<count { scalars.append(Unicode.Scalar(storage[index])) }
        return String(scalars)
    }

    static func == (first: Self, second: Self) -> Bool {
        guard first.count == second.count else { return false }
        for index in 0..<first.count where first.storage[index] != second.storage[index] { return false }
        return true
    }
}
