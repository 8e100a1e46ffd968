import CRingway
import Glibc
import NIOPosix
import Ringway

@testable import RingwayControl

/// A network without guests, and its API without a socket.
final class ControlledBench {
    static let isPossible = Ringway.KernelFeatures.probe().prefix(3).allSatisfy { $0.present }

    let network: VirtualNetwork
    let controlled: ControlledNetwork

    init() throws {
        network = try Self.makeNetwork()
        controlled = ControlledNetwork(
            network: network, identity: Self.identity,
            events: EventBroadcast(network, on: MultiThreadedEventLoopGroup.singleton.next()))
    }

    deinit { network.stop() }

    static var identity: ControlIdentity {
        ControlIdentity(name: "test", kind: .serve, target: "qemu:/nowhere", version: "1.2.3")
    }

    static func makeNetwork() throws -> VirtualNetwork {
        var configuration = VirtualNetwork.Configuration()
        configuration.nameServers = [TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 9)]
        return try VirtualNetwork(configuration)
    }

    /// The response to a request: the status, and the body if there is one.
    func ask(_ method: String, _ target: String, _ body: String = "") throws -> (status: Int, body: JSONValue) {
        do throws(ControlFailure) {
            let request = try ControlRequest(method: method, target: target, body: Array(body.utf8))
            switch try controlled.router.answer(request) {
            case .json(let bytes, let status): return (status, Self.json(bytes))
            case .text: return (200, .null)
            case .empty, .events: return (204, .null)
            }
        } catch {
            return (error.status, Self.json(error.body))
        }
    }

    private static func json(_ bytes: [UInt8]) -> JSONValue { (try? JSONReader.read(bytes)) ?? .null }

    /// A TCP port that is currently free.
    static func freePort() -> Int {
        let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(descriptor, raw, length)
                getsockname(descriptor, raw, &length)
            }
            return Int(pointer.pointee.sin6_port.byteSwapped)
        }
    }
}
