internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A file that always contains one complete JSON object. Each version is written to a new file, which is then renamed
/// over the old one.
final class StatisticsFile {
    let path: String
    /// The error of the last write; empty if it succeeded.
    private var problem = ""

    init(_ path: String) { self.path = path }

    /// Replaces the content. A failure is reported unless it repeats the previous one; the first success after a
    /// failure is reported, too. The network continues.
    func renew(_ json: String) {
        do throws(CommandFailure) {
            try write(json)
            if !problem.isEmpty { StandardError.write("the statistics file \(path) is written again") }
            problem = ""
        } catch {
            if problem != error.message { StandardError.write(error.message) }
            problem = error.message
        }
    }

    /// Replaces the content, or throws if that fails.
    func write(_ json: String) throws(CommandFailure) {
        // The name is unpredictable, so that no other user can create a symbolic link of this name beforehand.
        let fresh = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 36))"
        let file = ringway_open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644)
        guard file >= 0 else { throw failure("create") }
        let isWhole = FileOutput.write(Array("\(json)\n".utf8), to: file)
        let reason = isWhole ? 0 : errno
        close(file)
        guard isWhole, ringway_path_rename(fresh, path) == 0 else {
            let error = failure("write", isWhole ? errno : reason)
            _ = ringway_path_unlink(fresh)
            throw error
        }
    }

    private func failure(_ verb: String, _ errorNumber: Int32 = errno) -> CommandFailure {
        CommandFailure("cannot \(verb) the statistics file \(path): \(String(cString: strerror(errorNumber)))")
    }
}
