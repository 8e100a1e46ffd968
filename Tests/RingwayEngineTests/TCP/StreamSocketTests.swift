import RingwayStorage
import Testing

@testable import RingwayEngine

@Suite("Life of a stream socket")
struct StreamSocketTests {
    private static func socket(_ state: StreamSocket.State = .open) -> StreamSocket {
        StreamSocket(descriptor: 3, flow: Handle(slot: 0, generation: 1), state: state)
    }

    private static let everything: [StreamSocket.Pending] = [.connect, .receive, .send, .watch, .buffer, .retry]

    @Test(arguments: everything)
    func `is idle while neither the kernel nor a queue refers to it`(pending: StreamSocket.Pending) {
        var socket = Self.socket()
        #expect(socket.isIdle)
        socket.pending.insert(pending)
        #expect(!socket.isIdle)
        socket.pending.remove(pending)
        #expect(socket.isIdle)
    }

    @Test func `has a name of its own for each thing that refers to it`() {
        var all: StreamSocket.Pending = []
        for pending in Self.everything { all.formUnion(pending) }
        #expect(all.rawValue.nonzeroBitCount == Self.everything.count)
    }

    @Test(arguments: [StreamSocket.State.connecting, .probing])
    func `opens when its connect has succeeded`(state: StreamSocket.State) {
        var socket = Self.socket(state)
        #expect(!socket.isClosing)
        socket.connected()
        #expect(socket.state == .open)
    }

    @Test(arguments: [StreamSocket.State.connecting, .probing, .open, .shut, .sendFailed], [true, false])
    func `closes from wherever it stands, by FIN or RST`(state: StreamSocket.State, reset: Bool) {
        var socket = Self.socket(state)
        socket.beginClosing(reset: reset)
        #expect(socket.isClosing)
        #expect(socket.state == (reset ? .resetting : .closing))
    }

    @Test func `is a socket like another after its end was shut or a send failed`() {
        var shut = Self.socket()
        shut.shutDown()
        #expect(shut.state == .shut && !shut.isClosing)
        var failed = Self.socket()
        failed.failSend()
        #expect(failed.state == .sendFailed && !failed.isClosing)
    }
}
