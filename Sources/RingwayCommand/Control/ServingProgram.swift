internal import Glibc

/// The program that serves a network, which may be older than the installed one after an upgrade.
enum ServingProgram {
    /// The program's version and process, and how it differs from this command's version or from the installed file.
    ///
    /// - Parameter isReplaced: whether the program reports that its executable file was replaced; `nil` if the
    ///   program is too old to report it.
    static func text(version: String, process: Int, isReplaced: Bool?) -> String {
        text(version: version, process: process, executable: executable(of: process, isReplaced))
    }

    static func text(version: String, process: Int, executable: String?) -> String {
        let program = "ringway \(version), process \(process)"
        switch age(version: version, executable: executable) {
        case .current: return program
        case .newer: return "\(program), newer than this command, which is \(Version.text)"
        case .older: return "\(program), which is old: restart it to run ringway \(Version.text)"
        case .replaced: return "\(program), which is old: restart it to run the program that was installed since"
        }
    }

    /// Whether the program is old: its version is older than this command's, or its executable file was replaced.
    static func isOld(version: String, process: Int, isReplaced: Bool?) -> Bool {
        switch age(version: version, executable: executable(of: process, isReplaced)) {
        case .older, .replaced: true
        case .current, .newer: false
        }
    }

    private enum Age {
        case current, newer, older
        /// The same version, but the executable file was replaced.
        case replaced
    }

    private static func age(version: String, executable: String?) -> Age {
        if version != Version.text { return VersionOrder.isOlder(version, than: Version.text) ? .older : .newer }
        return executable?.hasSuffix("/ringway (deleted)") == true ? .replaced : .current
    }

    /// The target of a process's `/proc/PID/exe`, to which the kernel appends " (deleted)" if the file was removed or
    /// replaced; `nil` if the link cannot be read. If `isReplaced` is known, the link is not read: the result then is
    /// a path that ends with " (deleted)" if the file was replaced, otherwise `nil`.
    private static func executable(of process: Int, _ isReplaced: Bool?) -> String? {
        if let isReplaced { return isReplaced ? "/ringway (deleted)" : nil }
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = target.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map {
                readlink("/proc/\(process)/exe", $0.assumingMemoryBound(to: CChar.self), bytes.count)
            } ?? -1
        }
        guard length > 0 else { return nil }
        return String(decoding: target.prefix(length), as: UTF8.self)
    }
}
