import ArgumentParser
import Ringway
import Testing

@testable import RingwayCommand

@Suite("The help")
struct HelpTextTests {
    @Test func `has the table of limits, row by row`() {
        let help = RootCommand.helpMessage()
        for row in Limits.table {
            #expect(help.contains(row.flag))
            #expect(help.contains(row.counter))
        }
    }

    @Test func `lists COMMAND's exit statuses and examples`() {
        let help = RunCommand.helpMessage(columns: 80)
        for part in ["EXIT STATUS", "EXAMPLES", "125", "126", "127", "host.ringway.internal", "--ready-fd"] {
            #expect(help.contains(part), "\(part)")
        }
    }

    @Test func `of the commands for a network at work fits too`() {
        let commands: [any ParsableCommand.Type] = [
            PublishCommand.self, PublishAdd.self, PublishRemove.self, PublishList.self, PublishSync.self,
            ListCommand.self, StatusCommand.self, GuestsCommand.self, FlowsCommand.self, EventsCommand.self,
        ]
        for command in commands {
            let help = command.helpMessage(columns: 80)
            #expect(help.contains("EXAMPLES") && help.contains("EXIT STATUS"), "\(command)")
            for line in help.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
        }
    }

    @Test("fits a terminal of eighty columns", arguments: ["", "run", "attach", "serve", "doctor"])
    func width(of command: String) {
        let help =
            switch command {
            case "run": RunCommand.helpMessage(columns: 80)
            case "attach": AttachCommand.helpMessage(columns: 80)
            case "serve": ServeCommand.helpMessage(columns: 80)
            case "doctor": DoctorCommand.helpMessage(columns: 80)
            default: RootCommand.helpMessage(columns: 80)
            }
        for line in help.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    }

    @Test func `aligns columns and continues the last one`() {
        #expect(
            TextTable.lines([["a", "bb", "one\ntwo"], ["ccc", "d", "e"]]) == [
                "a    bb  one", "         two", "ccc  d   e",
            ])
    }
}
