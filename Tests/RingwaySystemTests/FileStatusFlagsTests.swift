import CRingway
import Glibc
import Testing

@Suite("File status flags")
struct FileStatusFlagsTests {
    @Test func `a descriptor that becomes non-blocking keeps its other flags`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        ringway_set_file_flags(ends[1], O_APPEND)
        let flags = ringway_file_flags(ends[1])
        #expect(flags & O_APPEND != 0)
        #expect(ringway_set_nonblocking(ends[1]) == 0)
        #expect(ringway_file_flags(ends[1]) == flags | O_NONBLOCK)
    }

    @Test func `a closed descriptor cannot become non-blocking`() {
        let (result, error) = (ringway_set_nonblocking(-1), errno)
        #expect(result == -1)
        #expect(error == EBADF)
    }
}
