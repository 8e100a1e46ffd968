internal import CRingway
internal import Glibc

/// A file that always holds one whole JSON object: each version is written beside it and moved into place.
struct StatisticsFile {
    let path: String

    /// Replaces the contents.
    func write(_ json: String) throws(CommandFailure) {
        let fresh = "\(path).new"
        let file = ringway_open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard file >= 0 else { throw failure("create", fresh) }
        let text = json + "\n"
        let isWhole = Glibc.write(file, text, text.utf8.count) == text.utf8.count
        let reason = errno
        close(file)
        guard isWhole, rename(fresh, path) == 0 else {
            let error = failure("write", path, isWhole ? errno : reason)
            unlink(fresh)
            throw error
        }
    }

    private func failure(_ verb: String, _ path: String, _ errorNumber: Int32 = errno) -> CommandFailure {
        CommandFailure("cannot \(verb) the statistics file \(path): \(String(cString: strerror(errorNumber)))")
    }
}
