import Glibc
import RingwaySystem
import Testing

@Suite("Writing to a file")
struct FileOutputTests {
    @Test func `writes everything, or says why not`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        #expect(FileOutput.write([1, 2, 3], to: ends[1]))
        var bytes = [UInt8](repeating: 0, count: 8)
        #expect(read(ends[0], &bytes, bytes.count) == 3)
        #expect(FileOutput.write([], to: -1))
        // The socket takes a part, without an error.
        let many = [UInt8](repeating: 1, count: 64 << 20)
        errno = EXDEV
        let isWhole = FileOutput.write(many, to: ends[1])
        let reason = errno
        #expect(!isWhole && reason == EAGAIN)
    }
}
