import Foundation
import Glibc

/// A program that a test has started. It ends at the latest when its standard input is closed, and so with the test.
final class Program {
    private let process = Process()
    private let output = Pipe()
    /// Standard input of a program that is not told anything.
    private let silence = Pipe()
    private let end = DispatchSemaphore(value: 0)

    /// Starts a program that is looked for as a shell does.
    ///
    /// - Parameter input: its standard input; `nil` for one that never says anything.
    init(_ arguments: [String], input: FileHandle? = nil) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]) { $0 + ":" + $1 }
        process.standardInput = input ?? silence.fileHandleForReading
        process.standardOutput = output
        process.terminationHandler = { [end] _ in end.signal() }
        try process.run()
    }

    var identifier: Int32 { process.processIdentifier }

    /// What it says first.
    func firstLine() -> String {
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            guard let byte = try? output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty else { break }
            line += byte
        }
        return String(decoding: line.dropLast(), as: UTF8.self)
    }

    /// Waits until it has ended by itself.
    func waitForEnd(within seconds: Double = 30) throws {
        defer { closePipes() }
        let name = (process.arguments ?? []).joined(separator: " ")
        guard end.wait(timeout: .now() + seconds) == .success else {
            kill()
            throw LauncherFailure("\(name) does not end")
        }
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw LauncherFailure("\(name) ended with status \(process.terminationStatus)")
        }
    }

    /// Ends it without a word.
    func kill() { Glibc.kill(process.processIdentifier, SIGKILL) }

    /// Closes its standard input and waits for the end that this brings.
    func stop() throws {
        try silence.fileHandleForWriting.close()
        try waitForEnd()
    }

    /// At once, because Foundation keeps them for as long as it likes.
    private func closePipes() {
        for pipe in [silence, output] {
            for end in [pipe.fileHandleForReading, pipe.fileHandleForWriting] { try? end.close() }
        }
    }

    /// Runs a program to its end.
    static func run(_ arguments: [String]) throws { try Program(arguments).waitForEnd() }
}
