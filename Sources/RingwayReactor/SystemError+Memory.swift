internal import Glibc
public import RingwayStorage
public import RingwaySystem

extension SystemError {
    /// An error with the number `ENOMEM` for memory that could not be allocated.
    public init(_ failure: MemoryFailure) {
        self.init("cannot have \(failure.byteCount) bytes of memory", errno: ENOMEM)
    }
}
