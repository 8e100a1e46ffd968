import RingwayControl
import Testing

@testable import RingwayCommand

@Suite("ringway status")
struct StatusReportTests {
    private func report(_ text: String, version: String = "0.2.0") throws -> StatusReport {
        StatusReport(status: try JSONReader.read(Array(text.utf8)), version: version)
    }

    @Test func `says nothing of troubles where there are none`() throws {
        let lines = try report(#"{"name":"blue","kind":"attach","target":"/run/netns/blue","troubles":[]}"#).lines
        #expect(lines.count == 9)
        #expect(lines[0] == "network      blue (attach /run/netns/blue)")
    }

    @Test func `puts troubles under the word for their kind, with their count and a place to look`() throws {
        let lines = try report(
            #"""
            {"name":"blue","troubles":[
              {"kind":"denial","counter":"droppedPolicy","count":37,"what":"packets","hint":"--allow CIDR"},
              {"kind":"drop","counter":"a","count":1,"what":"frames","hint":"usual"},
              {"kind":"drop","counter":"b","count":2,"what":"others","hint":"look"}]}
            """#
        ).lines
        #expect(
            lines.suffix(4) == [
                "", "denied   37  packets (droppedPolicy); --allow CIDR", "dropped  1   frames (a); usual",
                "         2   others (b); look",
            ])
    }

    @Test(
        "warns of a network that another version keeps",
        arguments: [
            ("0.2.0", nil), ("0.1.9", "is old"), ("0.1.10", "is old"), ("0.2.0-rc1", "is old"),
            ("0.2.1", "and this is"),
            ("0.10.0", "and this is"),
        ] as [(String, String?)])
    func warns(_ version: String, _ words: String?) throws {
        let report = try report(#"{"name":"blue","version":"\#(version)"}"#)
        if let words {
            #expect(report.warning?.contains(words) == true)
            #expect(report.warning?.contains(version) == true && report.warning?.contains("blue") == true)
        } else {
            #expect(report.warning == nil)
        }
        #expect(report.json["isOld"] == .bool(words == "is old"))
        #expect(report.json["clientVersion"] == .string("0.2.0"))
    }

    @Test func `reads what an older version answers`() throws {
        let lines = try report(#"{"name":"default","version":"0.1.0","pid":7,"uptimeSeconds":90061}"#).lines
        #expect(lines[0] == "network      default" && lines[1] == "served by    ringway 0.1.0, process 7")
        #expect(lines[2] == "running for  1 d 01:01:01")
    }
}
