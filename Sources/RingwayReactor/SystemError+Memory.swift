internal import Glibc
public import RingwayStorage
public import RingwaySystem

extension SystemError {
    /// Memory that could not be allocated, as `ENOMEM`.
    public init(_ failure: MemoryFailure) {
        self.init("cannot have \(failure.byteCount) bytes of memory", errno: ENOMEM)
    }
}
