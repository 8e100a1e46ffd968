public import CRingway
internal import Glibc

/// A simulated kernel: descriptors and the system calls on them, in user space.
///
/// A simulation makes an object of a subclass the model of its thread (`makeCurrent`). From then on `HostCalls` on
/// that thread opens the model's descriptors, and passes calls on these descriptors to the model. Unless its comment
/// says otherwise, a call reports a failure as the C library does, by -1 and `errno`.
open class HostModel {
    /// The lowest descriptor of a model. The kernel's descriptors are below `fs.nr_open`, by default about a million.
    public static var firstDescriptor: Int32 { 1 << 30 }

    public init() {}

    /// The calling thread's model; `nil` if the kernel executes its system calls.
    public static var current: HostModel? {
        guard let slot = ringway_thread_model() else { return nil }
        return Unmanaged<HostModel>.fromOpaque(slot).takeUnretainedValue()
    }

    /// Sets the calling thread's model, which the caller keeps alive; `nil` for the kernel.
    public static func makeCurrent(_ model: HostModel?) {
        ringway_set_thread_model(model.map { Unmanaged.passUnretained($0).toOpaque() })
    }

    /// Traps: a subclass must override every call that its simulation makes.
    private func missing(_ call: StaticString = #function) -> Never {
        fatalError("the model of a host has no \(call)")
    }

    // MARK: Descriptors

    open func socket(_ family: Int32, _ type: Int32, _ transport: Int32) -> Int32 { missing() }
    /// Makes two connected unix sockets; `nil` on failure.
    open func pair(_ type: Int32) -> (Int32, Int32)? { missing() }
    /// Makes a pipe: its read end and its write end, or `nil` on failure.
    open func pipe() -> (Int32, Int32)? { missing() }
    open func event() -> Int32 { missing() }
    /// Opens a descriptor for `HostCalls.spare`. The only call on it is `close`.
    open func spare() -> Int32 { missing() }
    open func close(_ descriptor: Int32) -> Int32 { missing() }

    // MARK: Addresses

    open func bind(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 { missing() }
    open func connect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
        missing()
    }
    open func accept(_ descriptor: Int32) -> Int32 { missing() }
    open func name(
        _ descriptor: Int32, isPeer: Bool, _ address: UnsafeMutablePointer<sockaddr>,
        _ length: UnsafeMutablePointer<socklen_t>
    ) -> Int32 { missing() }

    // MARK: Options

    /// Sets an integer option. Socket filters are never set on a model's sockets.
    open func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) -> Int32 { missing() }
    /// The value of an integer option, or a negated `errno`.
    open func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 { missing() }
    /// Makes the next close of a stream send RST.
    open func lingerZero(_ descriptor: Int32) { missing() }
    /// Returns and clears the pending error.
    open func takeError(_ descriptor: Int32) -> Int32 { missing() }
    /// The number of bytes that can be received.
    open func unread(_ descriptor: Int32) -> Int { missing() }
    /// Whether the peer has received everything that the socket sent.
    open func isDelivered(_ descriptor: Int32) -> Bool { missing() }

    // MARK: Bytes

    open func receive(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int, _ flags: Int32) -> Int {
        missing()
    }
    open func send(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: Int32) -> Int { missing() }
    open func receiveMessage(_ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, _ flags: Int32) -> Int {
        missing()
    }
    open func sendMessage(_ descriptor: Int32, _ message: UnsafePointer<msghdr>, _ flags: Int32) -> Int { missing() }
    /// Receives one byte and the descriptors that were sent with it.
    open func receiveDescriptors(
        _ descriptor: Int32, _ byte: UnsafeMutablePointer<UInt8>, _ descriptors: UnsafeMutablePointer<Int32>,
        _ count: inout Int
    ) -> Int { missing() }
    /// The number of bytes moved, or a negated `errno`.
    open func splice(_ from: Int32, _ to: Int32, _ count: Int) -> Int { missing() }
    open func shutdown(_ descriptor: Int32, _ how: Int32) -> Int32 { missing() }
}
