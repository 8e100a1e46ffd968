internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// One connection to the control socket: reads requests one after another, has them processed by workers, and writes
/// the responses, or events until the client disconnects.
///
/// NIO's pipelining handler passes on a request when the previous response is written. A request is processed only
/// while the channel is writable, that is, when the client has read enough of the earlier responses. So a client that
/// does not read takes memory for one response, and blocks only its own requests.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// The longest body of a request, in bytes.
    static var longestBody: Int { 8 << 20 }
    /// Timeout of receiving a request, of an idle connection, and of sending a response.
    static var timeout: TimeAmount { .seconds(30) }
    /// The interval of heartbeats on an event stream, with or without events.
    static var heartbeat: TimeAmount { .seconds(15) }

    private enum Phase {
        case waiting
        case receiving(HTTPRequestHead)
        /// The request is refused and the response is written. Further bytes are discarded, and the connection is
        /// closed at the end of the request.
        case refusing
        case answering
        /// The request is complete, and is processed when the client has read more of the earlier responses.
        case held(HTTPRequestHead)
        case streaming(EventStream)
    }

    private let router: Router
    private let events: EventBroadcast
    private let workers: NIOThreadPool
    private let memory: ExchangeMemory
    private var phase = Phase.waiting
    private var body = ByteBuffer()
    private var omitsBody = false
    private var context: ChannelHandlerContext?
    private var timer: Scheduled<Void>?
    private var beat: RepeatedTask?

    init(router: Router, events: EventBroadcast, workers: NIOThreadPool, memory: ExchangeMemory) {
        self.router = router
        self.events = events
        self.workers = workers
        self.memory = memory
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        startTimer(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        beat?.cancel()
        if case .streaming(let stream) = phase { events.remove(stream) }
        memory.release(.max, of: self)
        memory.trim(on: context.eventLoop)
        self.context = nil
    }

    private func startTimer(_ context: ChannelHandlerContext) {
        timer?.cancel()
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: Self.timeout) { bound.value.close(promise: nil) }
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), phase) {
        case (.head(let head), .waiting):
            startTimer(context)
            body.clear()
            phase = .receiving(head)
            if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > Self.longestBody {
                return refuse(.tooLarge(Self.longestBody), context)
            }
            if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                let goOn = HTTPResponseHead(version: .http1_1, status: .continue)
                context.writeAndFlush(wrapOutboundOut(.head(goOn)), promise: nil)
            }
        case (.body(var chunk), .receiving):
            guard body.readableBytes + chunk.readableBytes <= Self.longestBody else {
                return refuse(.tooLarge(Self.longestBody), context)
            }
            memory.take(chunk.readableBytes, for: self)
            body.writeBuffer(&chunk)
        case (.end, .receiving(let head)): answer(head, context)
        case (.end, .refusing): context.close(promise: nil)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The pipeline's error handler has already responded to invalid HTTP, if that was possible.
        context.close(promise: nil)
    }

    private func refuse(_ failure: ControlFailure, _ context: ChannelHandlerContext) {
        phase = .refusing
        write(.failure(failure), keepsAlive: false, context)
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        // While the request is held, the timer keeps running, so that a client that does not read its responses is
        // disconnected.
        guard context.channel.isWritable else {
            phase = .held(head)
            return
        }
        timer?.cancel()
        phase = .answering
        // The response to a HEAD has no body (RFC 9110 §9.3.2).
        omitsBody = head.method == .HEAD
        let content = body.readBytes(length: body.readableBytes) ?? []
        body = ByteBuffer()
        let keepsAlive = head.isKeepAlive
        let (router, eventLoop) = (router, context.eventLoop)
        let handler = NIOLoopBound(self, eventLoop: eventLoop)
        // A route may wait, for example for shards, which must not block this thread. So a worker calls it.
        workers.submit { state in
            guard state == .active else { return }
            let result = Self.result(router, head.method.rawValue, head.uri, content)
            eventLoop.execute {
                handler.value.memory.release(content.count, of: handler.value)
                handler.value.finish(result, keepsAlive: keepsAlive)
            }
        }
    }

    private static func result(
        _ router: Router, _ method: String, _ target: String, _ body: [UInt8]
    ) -> Result<ControlResponse, ControlFailure> {
        do throws(ControlFailure) {
            return .success(try router.answer(try ControlRequest(method: method, target: target, body: body)))
        } catch {
            return .failure(error)
        }
    }

    // MARK: Answers

    private func finish(_ result: Result<ControlResponse, ControlFailure>, keepsAlive: Bool) {
        guard let context else { return }
        if case .success(.events) = result { return stream(context) }
        phase = .waiting
        startTimer(context)
        write(result, keepsAlive: keepsAlive, context)
    }

    private func write(
        _ result: Result<ControlResponse, ControlFailure>, keepsAlive: Bool, _ context: ChannelHandlerContext
    ) {
        var headers = HTTPHeaders([("cache-control", "no-store")])
        if !keepsAlive { headers.add(name: "connection", value: "close") }
        var status = 200
        var bytes: [UInt8] = []
        switch result {
        case .success(.json(let text, let code)):
            (bytes, status) = (text, code)
            headers.add(name: "content-type", value: "application/json")
        case .success(.text(let text, let type)):
            bytes = text
            headers.add(name: "content-type", value: type)
        case .success(.empty), .success(.events): status = 204
        case .failure(let failure):
            (bytes, status) = (failure.body, failure.status)
            headers.add(name: "content-type", value: "application/json")
            if !failure.allowed.isEmpty { headers.add(name: "allow", value: failure.allowed.joined(separator: ", ")) }
        }
        if status != 204 { headers.add(name: "content-length", value: "\(bytes.count)") }
        let (count, eventLoop) = (bytes.count, context.eventLoop)
        // This may close the connections with the most bytes, and this one may be among them.
        memory.take(count, for: self)
        let head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !bytes.isEmpty, !omitsBody {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: nil)
        }
        let done = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
        let handler = NIOLoopBound(self, eventLoop: eventLoop)
        done.futureResult.whenComplete { _ in
            handler.value.memory.release(count, of: handler.value)
            handler.value.memory.trim(on: eventLoop)
        }
        if !keepsAlive {
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            done.futureResult.whenComplete { _ in
                // After a refusal, `channelRead` closes the connection when the request has ended: a client that is
                // still sending would lose the response if the connection were closed at once.
                if case .refusing = bound.value.0.phase { return }
                bound.value.1.close(promise: nil)
            }
        }
    }

    // MARK: Events

    private func stream(_ context: ChannelHandlerContext) {
        let headers = HTTPHeaders([("content-type", "text/event-stream"), ("cache-control", "no-store")])
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))), promise: nil)
        let stream = EventStream(
            isWritable: { [weak self] in self?.context?.channel.isWritable ?? false },
            write: { [weak self] bytes in self?.send(bytes) },
            push: { [weak self] in self?.context?.flush() })
        phase = .streaming(stream)
        events.add(stream)
        send(ByteBuffer(string: ": listening\n\n"))
        context.flush()
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        beat = context.eventLoop.scheduleRepeatedTask(initialDelay: Self.heartbeat, delay: Self.heartbeat) { _ in
            guard let context = handler.value.context, context.channel.isWritable else { return }
            handler.value.send(ByteBuffer(string: ": here\n\n"))
            context.flush()
        }
    }

    private func send(_ bytes: ByteBuffer) {
        context?.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            switch phase {
            case .streaming(let stream): stream.flush()
            case .held(let head): answer(head, context)
            case .waiting, .receiving, .refusing, .answering: break
            }
        }
        context.fireChannelWritabilityChanged()
    }
}

extension ConnectionHandler: ExchangeMemory.Holder {
    func evict() { context?.close(promise: nil) }
}
