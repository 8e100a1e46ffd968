import Foundation
import Testing

@testable import RingwayCommand

@Suite("The watch on a configuration file")
struct ConfigurationWatchTests {
    /// Calls `body` with a directory that has `first/conf`, `second/conf` and the link `current` to `first`.
    private static func use(_ body: (String) throws -> Void) throws {
        let directory = "/tmp/ringway-watch-\(getpid())-\(UInt32.random(in: 0...(.max)))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for name in ["first", "second"] {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
            try Data(name.utf8).write(to: URL(fileURLWithPath: "\(directory)/\(name)/conf"))
        }
        #expect(symlink("first", "\(directory)/current") == 0)
        try body(directory)
    }

    @Test func `reports that the file is written`() throws {
        try Self.use { directory in
            let watch = ConfigurationWatch("\(directory)/current/conf")
            try Data("other".utf8).write(to: URL(fileURLWithPath: "\(directory)/first/conf"))
            let hasChanged = watch.drain()
            #expect(hasChanged)
        }
    }

    @Test func `reports that a link in the middle of the path leads elsewhere`() throws {
        try Self.use { directory in
            let watch = ConfigurationWatch("\(directory)/current/conf")
            #expect(symlink("second", "\(directory)/new") == 0)
            #expect(rename("\(directory)/new", "\(directory)/current") == 0)
            let hasChanged = watch.drain()
            #expect(hasChanged)
        }
    }

    @Test func `reports nothing of other files in the same directories`() throws {
        try Self.use { directory in
            let watch = ConfigurationWatch("\(directory)/current/conf")
            for place in [directory, "\(directory)/first"] {
                try Data("other".utf8).write(to: URL(fileURLWithPath: "\(place)/other"))
            }
            let hasChanged = watch.drain()
            #expect(!hasChanged)
        }
    }
}
