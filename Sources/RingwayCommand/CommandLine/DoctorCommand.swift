internal import ArgumentParser

/// `ringway doctor`: lists the features that Ringway uses, and which of them the machine lacks.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check the kernel features that Ringway uses, the cost of missing ones, and the remedies.",
        discussion: HelpText.doctor)

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    func run() throws {
        let report = DoctorReport(findings: Examination.findings())
        print(json ? report.json : report.table)
        throw ExitCode(report.runWorks ? 0 : ExitStatus.failure)
    }
}
