internal import ArgumentParser
internal import CRingway
internal import Glibc
internal import Ringway

/// The configuration of the networks, from the options and from the file that they name.
struct ConfigurationSource {
    /// The file, if there is one.
    let path: String?
    /// The options: defaults for keys that are missing in the file. Their links, ports and agent forwards belong to
    /// the first network.
    let options: NetworkOrder
    /// The links of descriptors that the service manager has passed to this process. They belong to the first
    /// network.
    let inherited: [LinkOrder]

    /// The largest accepted file in bytes, far larger than any real one.
    private static let maximumSize = 4 << 20

    /// The networks as they are configured now. A file with an error is refused as a whole.
    func read() throws(CommandFailure) -> [NetworkOrder] {
        var orders: [NetworkOrder]
        if let path {
            orders = try ConfigurationReader(file: path, options: options).read(try Self.contents(of: path))
            orders[0].links = options.links + orders[0].links
            orders[0].publish = options.publish + orders[0].publish
            orders[0].agentForwards = options.agentForwards + orders[0].agentForwards
        } else {
            orders = [options]
        }
        orders[0].links = inherited + orders[0].links
        try refuseFaults(orders)
        return orders
    }

    /// Refuses conflicts between options and keys, and between networks, which the parser of a single key cannot see.
    private func refuseFaults(_ orders: [NetworkOrder]) throws(CommandFailure) {
        var places = Set<LinkAddress>()
        for link in orders.flatMap(\.links) where !places.insert(link.address).inserted {
            throw CommandFailure("\(link.address) is to be listened at twice", status: ExitStatus.usage)
        }
        for order in orders {
            let hasToken = !order.configuration.agentToken.isEmpty
            for link in order.links {
                guard let problem = link.terms.problem(at: link.address, hasToken: hasToken) else { continue }
                throw CommandFailure(problem, status: ExitStatus.usage)
            }
            do throws(ValidationError) {
                try PublishSpecification.refuseConflicts(order.publish)
            } catch {
                throw CommandFailure(error.message, status: ExitStatus.usage)
            }
        }
        var files = Set<String>()
        for file in orders.compactMap(\.configuration.capture?.path) where !files.insert(file).inserted {
            throw CommandFailure("two networks cannot capture to \(file)", status: ExitStatus.usage)
        }
    }

    /// The text of a file.
    static func contents(of path: String) throws(CommandFailure) -> String {
        func failure() -> CommandFailure {
            CommandFailure("cannot read \(path): \(String(cString: strerror(errno)))", status: ExitStatus.usage)
        }
        let file = ringway_open(path, O_RDONLY, 0)
        guard file >= 0 else { throw failure() }
        defer { close(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(file, &piece, piece.count)
            guard count >= 0 else { throw failure() }
            if count == 0 { break }
            bytes += piece.prefix(count)
            guard bytes.count <= maximumSize else {
                throw CommandFailure("\(path): it is larger than \(maximumSize >> 20) MiB", status: ExitStatus.usage)
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure("\(path): it is not UTF-8 text", status: ExitStatus.usage)
        }
        return text
    }
}
