internal import Glibc
public import RingwayRing
public import RingwayStorage

extension RingError {
    /// A memory failure as an error of the ring.
    public init(_ failure: MemoryFailure) {
        self.init(operation: "cannot have \(failure.byteCount) bytes of memory", errno: ENOMEM)
    }
}
