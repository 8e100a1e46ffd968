import Foundation
import Testing

extension EndToEnd {
    /// Arguments, paths and the environment are bytes of any encoding.
    @Suite("Bytes")
    struct ByteTests {
        /// Not UTF-8, UTF-8, and a private character that the program uses for a byte.
        static let odd = "$(printf 'a\\377\\200 \\303\\274 \\364\\217\\277\\277b')"
        static let dump = " 61 ff 80 20 c3 bc 20 f4 8f bf bf 62\n"

        @Test func `reach COMMAND as they are, in arguments and environment`() throws {
            try TestBed.use { bed in
                let script =
                    "X=\"\(Self.odd)\"; export X; exec \(Machine.ringway) run -- sh -c 'printf %s \"$0\" | od -An -tx1; "
                    + "printf %s \"$X\" | od -An -tx1' \"$X\""
                let outcome = try bed.run(["sh", "-c", script])
                #expect(outcome.output == Self.dump + Self.dump, "\(outcome.errors)")
            }
        }

        @Test func `name COMMAND and its error`() throws {
            try TestBed.use { bed in
                let script =
                    "cd \(bed.directory); n=\"$(printf 'p\\377')\"; cp /bin/true \"$n\"; \(Machine.ringway) run -- \"./$n\" "
                    + "&& rm \"$n\" && exec \(Machine.ringway) run -- \"./$n\""
                let outcome = try bed.run(["sh", "-c", script])
                #expect(outcome.status == 127)
                #expect(outcome.errors == "ringway: cannot run ./p\\xFF: No such file or directory\n")
            }
        }

        @Test func `name files of options`() throws {
            try TestBed.use { bed in
                let script =
                    "mkdir \"\(bed.directory)/\(Self.odd)\" && cd \"\(bed.directory)/\(Self.odd)\" && exec \(Machine.ringway) run "
                    + "--capture \"$PWD/\(Self.odd)\" --statistics \"$PWD/\(Self.odd).json\" -- true"
                let outcome = try bed.run(["sh", "-c", script])
                #expect(outcome.status == 0, "\(outcome.errors)")
                let listing = try bed.run(
                    [
                        "sh", "-c",
                        "cd \"\(bed.directory)/\(Self.odd)\" && ls | wc -l && test -s \"\(Self.odd)\" -a -s \"\(Self.odd).json\"",
                    ])
                #expect(listing.status == 0 && listing.output.hasPrefix("2"), "\(listing.output)")
            }
        }

        @Test func `name namespaces, sockets of machines, and the file of the configuration`() throws {
            try TestBed.use { bed in
                let directory = "\(bed.directory)/\(Self.odd)"
                _ = try bed.run(["sh", "-c", "mkdir \"\(directory)\"; printf 'isolate: true\\n' >\"\(directory)/c\""])
                let service = try bed.start([
                    "sh", "-c",
                    "exec \(Machine.ringway) serve --no-control --config \"\(directory)/c\" --listen qemu:\"\(directory)/vm\" --ready-fd 3 "
                        + "3>\(bed.directory)/ready",
                ])
                try waitUntil("the network, of which was said: \(service.errors)") {
                    FileManager.default.contents(atPath: "\(bed.directory)/ready") == Data("ready\n".utf8)
                }
                let found = try bed.run(["sh", "-c", "test -S \"\(directory)/vm\""])
                #expect(found.status == 0)
                service.send(SIGTERM)
                #expect(try service.waitForEnd().status == 0)
                #expect(try bed.run(["sh", "-c", "ls \"\(directory)\""]).output == "c\n")

                let attach = try bed.run(["sh", "-c", "exec \(Machine.ringway) attach --netns \"\(directory)/c\""])
                #expect(attach.errors.hasSuffix("/c is not a network namespace\n"), "\(attach.errors)")
            }
        }
    }
}
