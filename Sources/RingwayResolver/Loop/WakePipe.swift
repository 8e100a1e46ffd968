internal import Glibc

/// How other threads interrupt an event loop's wait.
final class WakePipe: LoopMember {
    private let loop: EventLoop
    private let reading: Descriptor
    private let woken: () -> Void

    init(reading: Descriptor, loop: EventLoop, woken: @escaping () -> Void) {
        self.loop = loop
        self.reading = reading
        self.woken = woken
        super.init()
        loop.register(self, descriptor: reading, interest: .read)
    }

    override func ready(isBroken: Bool) {
        while read(reading.rawValue, loop.scratch.baseAddress, loop.scratch.count) > 0 {}
        woken()
    }
}
