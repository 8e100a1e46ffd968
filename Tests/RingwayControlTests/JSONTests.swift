import Testing

@testable import RingwayControl

/// RFC 8259.
@Suite("JSON")
struct JSONTests {
    @Test(
        "refuses what is no JSON",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "01", "+1", "1.", ".5", "1e", "nul", "\"",
            "\"\\x\"",
            "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\u{1}\"", "1 2", "{\"a\":1,\"a\":2}", "1e999", "'a'",
            String(repeating: "[", count: 33) + String(repeating: "]", count: 33),
        ])
    func refuses(_ text: String) {
        #expect(throws: JSONReader.Failure.self) { try JSONReader.read(Array(text.utf8)) }
    }

    @Test func `refuses bytes that are no UTF-8`() {
        #expect(throws: JSONReader.Failure.self) { try JSONReader.read([0x22, 0xC3, 0x28, 0x22]) }
    }

    @Test(
        "reads values",
        arguments: [
            ("null", JSONValue.null), ("true", .bool(true)), ("-0", .integer(0)), ("-17", .integer(-17)),
            ("9223372036854775807", .integer(.max)), ("9223372036854775808", .number(9_223_372_036_854_775_808)),
            ("1.5e1", .number(15)), ("\"\\u00e9\\ud83d\\ude00\\n\\/\"", .string("é😀\n/")), ("[ ]", .array([])),
            (" { \"a\" : [ 1 , \"b\" ] } ", .object([.init(key: "a", value: .array([.integer(1), .string("b")]))])),
        ])
    func reads(_ text: String, _ value: JSONValue) throws {
        #expect(try JSONReader.read(Array(text.utf8)) == value)
    }

    @Test func `writes the values that it reads`() throws {
        let text = #"{"a":[1,-2,null,true,{}],"b\"\\":"\u0001é","c":[],"d":{"e":[[]]}}"#
        let value = try JSONReader.read(Array(text.utf8))
        #expect(String(decoding: JSONWriter.text { $0.value(value) }, as: UTF8.self) == text)
    }
}
