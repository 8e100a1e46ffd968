import RingwayControl
import Testing

@testable import RingwayCommand

@Suite("ringway status")
struct StatusReportTests {
    private func report(_ text: String) throws -> StatusReport {
        StatusReport(status: try JSONReader.read(Array(text.utf8)))
    }

    @Test func `lists no problems where there are none`() throws {
        let lines = try report(#"{"name":"blue","kind":"attach","target":"/run/netns/blue","troubles":[]}"#).lines
        #expect(lines.count == 9)
        #expect(lines[0] == "network      blue (attach /run/netns/blue)")
    }

    @Test func `shows the sandbox, and what it lacks`() throws {
        func line(_ sandbox: String) throws -> String? {
            try report(#"{"name":"blue","sandbox":\#(sandbox)}"#).lines.first { $0.hasPrefix("sandbox ") }
        }
        #expect(try line(#"{"mode":"on","layers":["system calls"],"missing":[]}"#) == "sandbox      on")
        #expect(
            try line(#"{"mode":"on","layers":[],"missing":[{"layer":"system calls","reason":"forbidden here"}]}"#)
                == "sandbox      on, without system calls (forbidden here)")
        #expect(try line(#"{"mode":"off","layers":[],"missing":[]}"#) == "sandbox      off")
        #expect(try line(#"{"mode":"log","layers":[],"missing":[]}"#)?.hasPrefix("sandbox      log: ") == true)
    }

    @Test func `shows each bound with its use, its users and its option`() throws {
        let lines = try report(
            #"""
            {"name":"blue","bounds":[
              {"name":"descriptors","scope":"process","inUse":40,"limit":20000,"option":"ulimit -n","guest":null},
              {"name":"bytes of address space","scope":"process","inUse":1048576,"limit":2097152,"option":"ulimit -v",
               "guest":null},
              {"name":"TCP connections","scope":"guest","inUse":7,"limit":65536,"option":"--max-flows","guest":"web"}]}
            """#
        ).lines
        #expect(
            lines.suffix(5) == [
                "", "bound                   in use  of     whose, and what sets it; of guests the fullest",
                "descriptors             40      20000  process; ulimit -n",
                "bytes of address space  1.0M    2.0M   process; ulimit -v",
                "TCP connections         7       65536  guest web; --max-flows",
            ])
    }

    @Test func `groups problems by kind, with count and remedy`() throws {
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
        "tells an older version from a newer one",
        arguments: [
            ("0.2.0", false), ("0.1.9", true), ("0.1.10", true), ("0.2.0-rc1", true), ("0.2.1", false), ("0.10", false),
            ("0.2", false), ("?", true),
        ])
    func isOlder(_ version: String, _ isOlder: Bool) {
        #expect(VersionOrder.isOlder(version, than: "0.2.0") == isOlder)
    }

    @Test func `reports a network that is older or newer than the command, also as JSON`() throws {
        let old = try report(#"{"name":"blue","version":"0.0.9","pid":0}"#)
        let advice = "ringway 0.0.9, process 0, which is old: restart it to run ringway \(Version.text)"
        #expect(old.lines[1].hasSuffix(advice))
        #expect(old.json["isOld"] == .bool(true) && old.json["clientVersion"] == .string(Version.text))
        let newer = try report(#"{"name":"blue","version":"99.0","pid":0}"#)
        #expect(newer.lines[1].contains("newer than this command") && newer.json["isOld"] == .bool(false))
        let same = try report(#"{"name":"blue","version":"\#(Version.text)","pid":0}"#)
        #expect(same.lines[1] == "served by    ringway \(Version.text), process 0")
    }

    @Test func `reads what an older version answers`() throws {
        let lines = try report(#"{"name":"default","version":"0.1.0","pid":7,"uptimeSeconds":90061}"#).lines
        #expect(lines[0] == "network      default" && lines[1].hasPrefix("served by    ringway 0.1.0, process 7"))
        #expect(lines[2] == "running for  1 d 01:01:01")
    }
}
