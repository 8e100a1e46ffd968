import Foundation
import Glibc

/// A program started by a test. It ends when its standard input is closed, and so with the test at the latest.
final class Program {
    private let process = Process()
    private let output = Pipe()
    /// Standard input without data.
    private let silence = Pipe()
    private let end = DispatchSemaphore(value: 0)

    /// Starts a program, searching PATH.
    ///
    /// - Parameter input: its standard input; `nil` for one without data.
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

    /// Its first line of output.
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

    /// Kills it.
    func kill() { Glibc.kill(process.processIdentifier, SIGKILL) }

    /// Closes its standard input and waits for its end.
    func stop() throws {
        try silence.fileHandleForWriting.close()
        try waitForEnd()
    }

    /// Closed explicitly, because Foundation may keep them open.
    private func closePipes() {
        for pipe in [silence, output] {
            for end in [pipe.fileHandleForReading, pipe.fileHandleForWriting] { try? end.close() }
        }
    }

    /// Runs a program to its end.
    static func run(_ arguments: [String]) throws { try Program(arguments).waitForEnd() }
}
