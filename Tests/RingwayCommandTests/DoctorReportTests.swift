import Ringway
import Testing

@testable import RingwayCommand

@Suite("The doctor's report")
struct DoctorReportTests {
    private let well = Finding.present("kernel", "6.18", isRequired: true)
    private let lacking = Finding.missing("speed", "no", cost: "time", remedy: "waiting")
    private let broken = Finding.missing("tun", "gone", cost: "all", remedy: "modprobe", isRequired: true)

    @Test func `works when only speed is missing`() {
        #expect(DoctorReport(findings: [well, lacking]).runWorks)
        #expect(!DoctorReport(findings: [well, broken]).runWorks)
    }

    @Test func `says what an absence costs and how to mend it`() {
        let table = DoctorReport(findings: [well, lacking, broken]).table
        #expect(table.contains("missing  speed"))
        #expect(table.contains("FAILS    tun"))
        #expect(table.contains("cost:   time"))
        #expect(table.contains("remedy: modprobe"))
        #expect(table.contains("does not work"))
    }

    @Test func `is one JSON object with the same contents`() {
        #expect(
            DoctorReport(findings: [lacking]).json == """
                {"version":"\(Version.text)","runWorks":true,"findings":[{"name":"speed","present":false,\
                "required":false,"detail":"no","cost":"time","remedy":"waiting"}]}
                """)
    }

    @Test(
        "escapes what JSON must not hold",
        arguments: [("a\"b\\c", "\"a\\\"b\\\\c\""), ("\u{1}\n\té", "\"\\u0001\\n\\té\"")])
    func escapes(_ text: String, _ json: String) {
        #expect(JSONText.string(text) == json)
    }

    @Test(
        "knows which kernels are new enough",
        arguments: [
            ("5.15.0-91-generic", true), ("6.1.0", true), ("5.10.0-28-amd64", false), ("6.18.44+", true),
            ("4.19", false), ("", false),
        ])
    func kernel(_ release: String, _ isEnough: Bool) {
        #expect(Examination.kernel(release: release).isPresent == isEnough)
    }

    @Test func `names each setting that forbids user namespaces`() {
        #expect(Examination.userNamespaceObstacles(limit: 0, clone: 0, appArmor: 1).count == 3)
        #expect(Examination.userNamespaceObstacles(limit: 5, clone: 1, appArmor: 0).isEmpty)
        #expect(Examination.userNamespaceObstacles(limit: nil, clone: nil, appArmor: nil).isEmpty)
    }

    @Test func `says how many flows the open files allow`() {
        #expect(Examination.openFiles(hard: 1_048_576).isPresent)
        #expect(Examination.openFiles(hard: 1024).cost.contains("824"))
    }

    @Test func `says which reactor is in use, and why it is not the faster one`() {
        #expect(Examination.reactor(.ioUring, reason: nil, remedy: nil, disabled: 0) == .present("reactor", "io_uring"))
        let finding = Examination.reactor(.epoll, reason: "it is forbidden", remedy: "allow it", disabled: nil)
        #expect(!finding.isPresent && !finding.isRequired)
        #expect(finding.detail == "epoll, because it is forbidden")
        #expect(finding.remedy == "allow it")
    }

    @Test("names the setting that forbids io_uring", arguments: [1, 2])
    func forbidden(_ disabled: Int) {
        let finding = Examination.reactor(.epoll, reason: "a", remedy: "b", disabled: disabled)
        #expect(finding.remedy.hasPrefix("as root: sysctl kernel.io_uring_disabled=0"))
    }
}
