internal import Glibc

/// Shows a page of text on the terminal, and reads single keys. The terminal's previous content is restored at the
/// end.
struct Screen: ~Copyable {
    private let former: termios

    /// Takes over the terminal; `nil` unless standard input and standard output both are a terminal.
    init?() {
        var settings = termios()
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, tcgetattr(STDIN_FILENO, &settings) == 0 else {
            return nil
        }
        former = settings
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        Self.write("\u{1B}[?1049h\u{1B}[?25l")
    }

    deinit {
        Self.write("\u{1B}[?25h\u{1B}[?1049l")
        var settings = former
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }

    /// Rows and columns; 24 and 80 if the terminal does not report them.
    var size: (rows: Int, columns: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return (24, 80) }
        return (Int(size.ws_row), Int(size.ws_col))
    }

    /// Draws lines from the top, clipped to the screen's size.
    func draw(_ lines: [String]) {
        let (rows, columns) = size
        var text = "\u{1B}[H"
        for line in lines.prefix(rows) { text += line.prefix(columns) + "\u{1B}[K\r\n" }
        Self.write(String(text.dropLast(2)) + "\u{1B}[J")
    }

    /// The key pressed within this number of milliseconds, or `nil`; and whether standard input has ended.
    func key(within milliseconds: Int32) -> (key: Character?, isOver: Bool) {
        var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, milliseconds) == 1 else { return (nil, false) }
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        guard count > 0 else { return (nil, true) }
        return (Character(Unicode.Scalar(bytes[0])), false)
    }

    private static func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
