internal import Glibc
internal import NIOCore

/// Keeps a control socket responsive while the process has no descriptor left.
///
/// NIO's server channel stays registered for reading when accept(2) fails, and its loop would spin while a client
/// waits. This handler therefore stops accepting until a descriptor is available. It also keeps a few descriptors in
/// reserve, and closes one of them for each further client. So clients can still ask the API what uses the process's
/// descriptors.
final class AcceptReserve: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// The number of reserved descriptors.
    private static var size: Int { 4 }
    /// The interval between attempts to refill the reserve.
    private static var pause: TimeAmount { .milliseconds(100) }

    private var spares: [Int32] = []
    private var isPaused = false
    private var retry: Scheduled<Void>?

    func handlerAdded(context: ChannelHandlerContext) { fill() }

    func handlerRemoved(context: ChannelHandlerContext) {
        retry?.cancel()
        for spare in spares { close(spare) }
        spares = []
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if spares.count < Self.size {
            // This client may have needed a reserved descriptor, so the reserve is refilled when the client
            // disconnects.
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            unwrapInboundIn(data).closeFuture.whenComplete { _ in bound.value.0.replenish(bound.value.1) }
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let failure = error as? IOError, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(failure.errnoCode) else {
            return context.fireErrorCaught(error)
        }
        isPaused = true
        setReading(false, context)
        if let spare = spares.popLast() {
            close(spare)
            resume(context)
        }
        look(context)
    }

    /// Tries to refill the reserve after `pause`, and again until it is complete.
    private func look(_ context: ChannelHandlerContext) {
        guard retry == nil else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        retry = context.eventLoop.scheduleTask(in: Self.pause) {
            bound.value.0.retry = nil
            bound.value.0.replenish(bound.value.1)
        }
    }

    private func replenish(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        fill()
        if !spares.isEmpty { resume(context) }
        if spares.count < Self.size { look(context) }
    }

    private func resume(_ context: ChannelHandlerContext) {
        guard isPaused else { return }
        isPaused = false
        setReading(true, context)
    }

    private func setReading(_ isReading: Bool, _ context: ChannelHandlerContext) {
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }

    private func fill() {
        while spares.count < Self.size {
            let spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard spare >= 0 else { return }
            spares.append(spare)
        }
    }
}
