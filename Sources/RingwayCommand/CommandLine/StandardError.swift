internal import Glibc

/// Error messages: one line each, in one write, so that lines of several processes are not interleaved.
enum StandardError {
    static func write(_ message: String) {
        var line = Array("ringway: \(SystemText.shown(message))\n".utf8)
        // Control characters, for example in file names, are replaced, so that they do not reach a terminal.
        for index in line.indices.dropLast() where line[index] < 0x20 || line[index] == 0x7F {
            line[index] = UInt8(ascii: "?")
        }
        _ = Glibc.write(STDERR_FILENO, line, line.count)
    }
}
