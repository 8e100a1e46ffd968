import ArgumentParser
import Testing

@testable import RingwayCommand

/// The program's errors about invalid arguments, without its name.
@Suite("Errors on the command line")
struct UsageMessageTests {
    struct Example: CustomTestStringConvertible, Sendable {
        let arguments: [String]
        let message: String
        var testDescription: String { arguments.joined(separator: " ") }

        init(_ arguments: String, _ message: String) {
            self.arguments = arguments.split(separator: " ").map(String.init)
            self.message = message
        }
    }

    private static func message(_ arguments: [String]) -> String? {
        if let refusal = UsageMessage.unknownCommand(in: arguments) { return refusal }
        do {
            _ = try RootCommand.parseAsRoot(arguments)
            return nil
        } catch {
            return CommandLineEntry.refusal(error, arguments)
        }
    }

    @Test(
        "ask what was meant",
        arguments: [
            Example("serve --publsh 80:80", "unknown option \"--publsh\"; did you mean \"--publish\"?"),
            Example("run --publsh 80:80 true", "unknown option \"--publsh\"; did you mean \"--publish\"?"),
            Example(
                "run --no-hostloopback true",
                "unknown option \"--no-hostloopback\"; did you mean \"--no-host-loopback\"?"),
            Example("attach --netn=x", "unknown option \"--netn\"; did you mean \"--netns\"?"),
            Example("doctor --jsn", "unknown option \"--jsn\"; did you mean \"--json\"?"),
            Example("publish add --onwer me 80", "unknown option \"--onwer\"; did you mean \"--owner\"?"),
            Example("srve", "unknown command \"srve\"; did you mean \"serve\"?"),
            Example("publish ad 80", "unknown command \"publish ad\"; did you mean \"publish add\"?"),
            Example("help sttus", "unknown command \"sttus\"; did you mean \"status\"?"),
            Example(
                "serve --listen qmeu:/a", "--listen \"qmeu:/a\": unknown kind of link \"qmeu\"; did you mean \"qemu\"?"),
            Example(
                "serve --reactor io-uring",
                "--reactor \"io-uring\": it must be io_uring or epoll; did you mean \"io_uring\"?"),
            Example(
                "serve --forward 80=tpc:1.2.3.4:80",
                "--forward \"80=tpc:1.2.3.4:80\": unknown kind of server \"tpc\"; did you mean \"tcp\"?"),
            Example("flows --sort donw", "did you mean \"down\"?"),
            Example(
                "serve -p 80:80/tpc",
                "-p \"80:80/tpc\": the protocol \"tpc\" is neither tcp nor udp; did you mean \"tcp\"?"),
        ])
    func asks(_ example: Example) {
        let message = Self.message(example.arguments) ?? "nothing"
        // In one of them, the text before the value is another component's.
        #expect(message == example.message || message.hasSuffix("; " + example.message), "\(message)")
    }

    @Test(
        "say what is wrong, where, and what to do",
        arguments: [
            Example("serve --frobnicate", "unknown option \"--frobnicate\"; try \"ringway serve --help\""),
            Example("serve -x", "unknown option \"-x\"; try \"ringway serve --help\""),
            Example("run -x true", "unknown option \"-x\"; try \"ringway run --help\""),
            Example("--frobnicate", "unknown option \"--frobnicate\"; try \"ringway --help\""),
            Example("frobnicate", "unknown command \"frobnicate\"; try \"ringway --help\""),
            Example("publish frobnicate", "unknown command \"publish frobnicate\"; try \"ringway publish --help\""),
            Example("serve foo", "unexpected argument \"foo\"; try \"ringway serve --help\""),
            Example("doctor a b", "unexpected arguments \"a\", \"b\"; try \"ringway doctor --help\""),
            Example("serve --isolate=yes", "--isolate takes no value"),
            Example("publish add", "<publish> ... is missing; try \"ringway publish add --help\""),
            Example("attach --pid x", "--pid \"x\": it is not a pid; try \"ringway attach --help\""),
            Example("run --mtu 1 true", "--mtu \"1\": it must be a number from 1280 to 65520"),
            Example("publish add 80:x", "\"80:x\": the guest's port \"x\" is not a number from 1 to 65535"),
            Example("run -p80:x true", "-p \"80:x\": the guest's port \"x\" is not a number from 1 to 65535"),
            Example("serve --listen tap", "--listen \"tap\": NAME is missing; use tap:NAME"),
            Example("serve --config", "--config needs a value: --config <file>"),
        ])
    func says(_ example: Example) {
        #expect(Self.message(example.arguments) == example.message)
    }

    @Test func `are always one line, without the parser's own words`() {
        let commands = [
            ["run"], ["attach"], ["serve"], ["status"], ["guests"], ["flows"], ["events"], ["doctor"],
            ["publish", "add"], ["publish", "rm"], ["publish", "ls"], ["publish", "sync"],
        ]
        for command in commands {
            for faults in [["--nonsense"], ["-Z"], ["--control"], ["--control="], ["--name", "a/b"], ["--json=1"]] {
                guard let message = Self.message(command + faults) else { continue }
                let words = "\(command + faults): \(message)"
                #expect(!message.contains("\n") && !message.isEmpty, "\(words)")
                let first = message.unicodeScalars.first.map { String($0) } ?? ""
                #expect(first == first.lowercased() || message.hasPrefix("COMMAND"), "\(words)")
                #expect(!message.contains("'--"), "\(words)")
            }
        }
    }

    @Test func `pass words that are not known as they are`() {
        #expect(UsageMessage(["serve"]).rephrase("the moon is full") == "the moon is full")
        #expect(UsageMessage(["serve"]).rephrase("The value 'x") == "The value 'x")
    }
}
