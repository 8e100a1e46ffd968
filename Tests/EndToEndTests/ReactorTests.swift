import Foundation
import Testing

extension EndToEnd {
    /// What the data path runs on: io_uring, or epoll where that is asked for or nothing else is allowed.
    @Suite("Reactor")
    struct ReactorTests {
        static let byteCount = 16 << 20
        /// Starts a program that may not use io_uring.
        static let forbidding = ["python3", Machine.program("without_rings.py")]

        /// Whether the bridge holds a file of this kind.
        static func holds(_ kind: String, _ guest: Guest) throws -> Bool {
            let directory = "/proc/\(guest.bridge.identifier)/fd"
            return try FileManager.default.contentsOfDirectory(atPath: directory).contains { name in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)"))?.contains(kind)
                    ?? false
            }
        }

        static func isOnEpoll(_ guest: Guest) throws -> Bool {
            try holds("[eventpoll]", guest) && !holds("[io_uring]", guest)
        }

        @Test("carries files both ways on epoll", arguments: shards, Family.allCases)
        func carriesFilesOnEpoll(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let guest = try Guest(bed, shards: shards, ["--reactor", "epoll"])
                try #require(try Self.isOnEpoll(guest))
                try Self.expectFiles(bed, guest, family)
            }
        }

        @Test("falls back to epoll where a filter forbids io_uring", arguments: shards)
        func fallsBackWhereForbidden(shards: Int) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let guest = try Guest(bed, shards: shards, launcher: Self.forbidding)
                try #require(try Self.isOnEpoll(guest))
                for family in Family.allCases { try Self.expectFiles(bed, guest, family) }
            }
        }

        private static func expectFiles(_ bed: TestBed, _ guest: Guest, _ family: Family) throws {
            let url = "http://host.ringway.internal:8080/\(byteCount)"
            let copy = "\(bed.directory)/copy"
            let direct = try bed.run(["sh", "-c", "curl -sS http://localhost:8080/\(byteCount) | sha256sum"])
                .requireSuccess().replacing("  -", with: "")
            _ = try guest.run(["curl", "-sS", family.flag, "--max-time", "50", "-o", copy, url]).requireSuccess()
            let digest = try bed.run(["sha256sum", copy]).requireSuccess().replacing("  \(copy)", with: "")
            #expect(digest == direct)
            let answer = try guest.run(["curl", "-sS", family.flag, "--max-time", "50", "-T", copy, url])
            #expect(try answer.requireSuccess() == direct)
        }

        @Test func `is told by the doctor, with the reason`() throws {
            try TestBed.use { bed in
                let outcome = try bed.run(Self.forbidding + [Machine.ringway, "doctor"])
                #expect(outcome.status == 0, "what is missing costs speed only")
                #expect(outcome.output.contains("epoll, because io_uring is forbidden here"))
            }
        }

        @Test func `fails in one line when io_uring is asked for and forbidden`() throws {
            try TestBed.use { bed in
                let outcome = try bed.run(
                    Self.forbidding + [Machine.ringway, "run", "--reactor", "io_uring", "--", "true"])
                #expect(outcome.status == 125)
                #expect(outcome.errors.hasPrefix("ringway: io_uring is forbidden here: "))
                #expect(outcome.errors.filter { $0 == "\n" }.count == 1)
            }
        }
    }
}
