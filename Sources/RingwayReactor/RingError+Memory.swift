internal import Glibc
public import RingwayRing
public import RingwayStorage

extension RingError {
    /// There is no memory for what belongs to a ring.
    public init(_ failure: MemoryFailure) {
        self.init(operation: "cannot have \(failure.byteCount) bytes of memory", errno: ENOMEM)
    }
}
