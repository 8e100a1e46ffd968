/// The report of `ringway doctor`, for users and for programs.
struct DoctorReport {
    let findings: [Finding]

    /// Whether everything that `ringway run` requires is present.
    var runWorks: Bool { findings.allSatisfy { $0.isPresent || !$0.isRequired } }

    /// A table, with cost and remedy below each missing feature, and the verdict last.
    var table: String {
        let lines = TextTable.lines(findings.map { [mark(of: $0), $0.name, $0.detail] })
        var text = ""
        for (finding, line) in zip(findings, lines) {
            text += line + "\n"
            guard !finding.isPresent else { continue }
            text += "         cost:   \(finding.cost)\n"
            text += "         remedy: \(finding.remedy)\n"
        }
        return text
            + (runWorks ? "\"ringway run\" works." : "\"ringway run\" does not work: mend what is marked FAILS.")
    }

    private func mark(of finding: Finding) -> String {
        if finding.isPresent { return "ok" }
        return finding.isRequired ? "FAILS" : "missing"
    }

    /// One object with `version`, `runWorks` and `findings`. Each finding has `name`, `present`, `required`,
    /// `detail`, `cost` and `remedy`.
    var json: String {
        let items = findings.map { finding in
            """
            {"name":\(JSONText.string(finding.name)),"present":\(finding.isPresent),"required":\(finding.isRequired),\
            "detail":\(JSONText.string(finding.detail)),"cost":\(JSONText.string(finding.cost)),\
            "remedy":\(JSONText.string(finding.remedy))}
            """
        }
        return "{\"version\":\(JSONText.string(Version.text)),\"runWorks\":\(runWorks),\"findings\":["
            + items.joined(separator: ",") + "]}"
    }
}
