import CRingway
import Glibc
import Testing

@testable import RingwayCommand

@Suite("Text that stands for bytes")
struct SystemTextTests {
    private func roundTrip(_ bytes: [UInt8]) -> (text: String, back: [UInt8]) {
        let text = (bytes.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { SystemText.text($0) } ?? ""
        }
        return (text, SystemText.bytes(text).dropLast().map { UInt8(bitPattern: $0) })
    }

    @Test("is itself where it is Unicode", arguments: ["", "plain", "grüße", "日本", "🂡", "\u{10FF7F}"])
    func isItself(text: String) {
        let (same, back) = roundTrip(Array(text.utf8))
        #expect(same == text)
        #expect(back == Array(text.utf8))
    }

    static let sequences: [[UInt8]] = [
        [0xFF], [0x80], [0xC3], [0xC3, 0x28], [0xE2, 0x82], [0xF0, 0x9F, 0x82], [0xC0, 0xAF], [0xED, 0xA0, 0x80],
        [0xF4, 0x90, 0x80, 0x80], [0x61, 0xFF, 0x62], [0xF4, 0x8F, 0xBE, 0x80], [0xF4, 0x8F, 0xBF, 0xBF],
        [0xF4, 0x8F, 0xBE], [0xE0, 0x80, 0x80],
    ]

    @Test("comes back as the bytes that it was made from", arguments: sequences)
    func comesBack(bytes: [UInt8]) {
        let (text, back) = roundTrip(bytes)
        #expect(back == bytes)
        #expect(ringway_text_is_mixed(text))
        #expect(ringway_text_length(text) == bytes.count)
    }

    @Test("comes back whatever the bytes are", arguments: [UInt64](1...50))
    func comesBackWhatever(seed: UInt64) {
        var state = seed
        var texts: [String: [UInt8]] = [:]
        for _ in 0..<200 {
            let bytes: [UInt8] = (0..<Int(seed % 9) + 1).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1
                // Mostly bytes that start or continue multi-byte characters.
                return max(1, UInt8(truncatingIfNeeded: state >> 40) | (state >> 60 < 12 ? 0x80 : 0))
            }
            let (text, back) = roundTrip(bytes)
            #expect(back == bytes, "seed \(seed)")
            if let other = texts.updateValue(bytes, forKey: text) { #expect(other == bytes, "two have one text") }
        }
    }

    @Test func `is shown with its odd bytes as numbers`() {
        #expect(SystemText.shown(roundTrip([0x61, 0xFF, 0x0A, 0x80]).text) == "a\\xFF\n\\x80")
        #expect(SystemText.shown("grüße") == "grüße")
    }
}
