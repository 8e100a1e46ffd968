import Foundation
import Glibc
import Ringway
import Synchronization
import Testing

extension EmbeddingTests {
    /// What a network leaves alone of the process that it lives in.
    @Suite("leaves of its process", .serialized)
    struct ProcessTests {
        /// Has a network carry traffic, by whatever it is driven.
        private func useNetwork(_ meanwhile: () -> Void = {}) async throws {
            try await Bed.use(byteCount: 1 << 16) { bed in
                let network = try makeNetwork(for: Machine.mac)
                defer { network.stop() }
                let port = try publish(80, of: .first, on: network)
                let (machine, _) = try await EmbeddingTests.start(.socket, on: network, bed)
                try bed.carry(by: machine, publishedAt: port)
                meanwhile()
                network.stop()
                try machine.waitForEnd()
            }
        }

        /// The kernel's account of the signals that this process catches, ignores and blocks.
        private static func signals() throws -> [Substring] {
            try String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8).split(separator: "\n")
                .filter { $0.hasPrefix("SigCgt") || $0.hasPrefix("SigIgn") }
        }

        /// What each open descriptor is.
        private static func descriptors() throws -> [String: String] {
            var files: [String: String] = [:]
            for number in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
                // The directory itself is no longer open.
                files[number] = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
            }
            return files
        }

        private static func networkThreads() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").compactMap { thread in
                try? String(contentsOfFile: "/proc/self/task/\(thread)/comm", encoding: .utf8)
            }.filter { $0.hasPrefix("ringway") }
        }

        @Test func `the handling of signals`() async throws {
            let before = try Self.signals()
            let during = Mutex([Substring]())
            try await useNetwork { during.withLock { $0 = (try? Self.signals()) ?? [] } }
            #expect(during.withLock { $0 } == before)
        }

        @Test func `no thread`() async throws {
            let during = Mutex([String]())
            try await useNetwork { during.withLock { $0 = (try? Self.networkThreads()) ?? [] } }
            #expect(!during.withLock { $0.isEmpty })
            // A thread that has been joined may be listed for a moment yet.
            for _ in 0..<1_000 where try !Self.networkThreads().isEmpty { usleep(5_000) }
            #expect(try Self.networkThreads() == [])
        }

        @Test func `no descriptor`() async throws {
            // What Foundation opens for itself when it starts the first program.
            try Program.run(["true"])
            let before = try Self.descriptors()
            try await useNetwork()
            // Foundation closes what it watched the last program by a moment after it has told of its end.
            var after = try Self.descriptors()
            for _ in 0..<1_000 where after.contains(where: { before[$0.key] != $0.value }) {
                usleep(5_000)
                after = try Self.descriptors()
            }
            #expect(after.filter { before[$0.key] != $0.value } == [:])
        }

        @Test func `its standard output and standard error`() async throws {
            let file = try #require(tmpfile())
            defer { fclose(file) }
            fflush(nil)
            let saved = [dup(1), dup(2)]
            for stream: Int32 in [1, 2] { dup2(fileno(file), stream) }
            let failure: (any Error)?
            do {
                try await useNetwork()
                failure = nil
            } catch {
                failure = error
            }
            fflush(nil)
            for (stream, descriptor) in zip([1, 2] as [Int32], saved) {
                dup2(descriptor, stream)
                close(descriptor)
            }
            if let failure { throw failure }
            #expect(lseek(fileno(file), 0, SEEK_END) == 0)
        }
    }
}
