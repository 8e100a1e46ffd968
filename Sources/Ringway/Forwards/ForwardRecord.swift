internal import RingwayEngine
internal import RingwayModel

/// A forward in the network's table, with the host sockets that hold its ports from publication to removal.
struct ForwardRecord {
    var port: PublishedPort
    private var held = HeldSockets()
    /// The sockets, in the order of `orders`; empty if they could not be opened.
    private(set) var sockets: [Int32] {
        get { held.all }
        set { held = HeldSockets(newValue) }
    }
    /// Whether the sockets listen or, for UDP, receive datagrams; otherwise they only keep the ports bound.
    private(set) var isListening = false
    /// Whether another program opened the socket, which then always listens.
    private(set) var isInherited = false
    /// The guest's addresses when the UDP sockets were lent to its engine, one for each UDP `ListenOrder`.
    private(set) var targets: [IPAddress] = []

    init(port: PublishedPort) { self.port = port }

    /// Describes the sockets that the forward needs now, by one `ListenOrder` each. A TCP socket can serve both
    /// families. A UDP mapping belongs to the shard that its guest's address selects, and the guest has one address
    /// per family, so UDP needs a socket for each family.
    ///
    /// - Parameter engine: the guest's engine; `nil` while the guest is not attached.
    func orders(on policy: BindPolicy, _ engine: Engine?) -> [ListenOrder] {
        let forward = port.forward
        let places = policy.places(for: forward.hostAddress)
        // An order for TCP names no guest address: the shards choose it for each client, by the client's family.
        let isStream = forward.transport == .tcp
        func order(_ address: IPAddress?, ipv4: Bool) -> ListenOrder {
            var order = ListenOrder(
                address: address, ports: forward.hostPorts,
                guest: TransportAddress(
                    address: (isStream ? nil : engine?.target(ipv4: ipv4)) ?? IPAddress(high: 0, low: 0),
                    port: forward.guestPorts.lowerBound),
                isStream: isStream, forward: port.id)
            order.isResting = engine == nil
            return order
        }
        if places == [nil] {
            if isStream { return [order(nil, ipv4: true)] }
            var ipv6 = order(IPAddress(high: 0, low: 0), ipv4: false)
            ipv6.isOptional = true
            return [order(IPAddress(IPv4Address(rawValue: 0)), ipv4: true), ipv6]
        }
        return places.compactMap { $0 }.map { place in
            var order = order(place, ipv4: place.isIPv4)
            // An IPv6 socket is optional, because the host may have no IPv6.
            order.isOptional = forward.hostAddress == nil && !place.isIPv4 && places.count > 1
            return order
        }
    }

    // MARK: Sockets

    /// Takes ownership of sockets that were opened for these orders.
    mutating func adopt(_ sockets: [Int32], _ orders: [ListenOrder]) {
        self.sockets = sockets
        isListening = !(orders.first?.isResting ?? true)
    }

    /// Takes over the sockets of a removed forward that had the same ports.
    mutating func adopt(socketsOf other: ForwardRecord) {
        sockets = other.sockets
        isListening = other.isListening
        isInherited = other.isInherited
    }

    /// Takes over a socket that another program has opened.
    mutating func adopt(inherited socket: Int32) {
        sockets = [socket]
        isListening = true
        isInherited = true
    }

    /// Makes the bound sockets listen or, for UDP, receive datagrams.
    mutating func wake(_ orders: [ListenOrder]) throws(HostListenFailure) {
        try PortSockets.wake(orders, &sockets)
        isListening = true
    }

    /// Stops listening on the sockets, which stay bound. An inherited socket keeps listening. No engine may use the
    /// sockets any more.
    mutating func rest(_ orders: [ListenOrder]) {
        port.guest = nil
        targets = []
        guard isListening, !isInherited else { return }
        PortSockets.rest(orders, &sockets)
        isListening = false
    }

    /// Closes the sockets. No engine may use them any more.
    mutating func close() {
        PortSockets.close(sockets)
        forgetSockets()
    }

    /// Forgets the sockets without closing them, because they have another owner now.
    mutating func forgetSockets() {
        sockets = []
        isListening = false
        isInherited = false
    }

    /// Records the guest to whose engine the sockets are lent.
    mutating func lead(to guest: Guest.ID, _ orders: [ListenOrder]) {
        port.guest = guest
        targets = Self.targets(of: orders)
    }

    /// Whether UDP sockets are still lent for the guest's current addresses, which are those in `orders`. The addresses
    /// determine which shards serve the sockets.
    func leads(where orders: [ListenOrder]) -> Bool { targets == Self.targets(of: orders) }

    private static func targets(of orders: [ListenOrder]) -> [IPAddress] {
        orders.filter { !$0.isStream }.map(\.guest.address)
    }
}

/// The sockets of a forward. Most forwards have one, which is stored without an array: thousands of small arrays,
/// spread over the heap, would keep the allocator from returning memory to the kernel.
private struct HeldSockets {
    private var first: Int32?
    private var others: [Int32] = []

    init(_ sockets: [Int32] = []) {
        first = sockets.first
        if sockets.count > 1 { others = Array(sockets.dropFirst()) }
    }

    var all: [Int32] { first.map { [$0] + others } ?? [] }
}

/// The retry interval for failed forwards: one second, doubled on each attempt, up to a minute.
struct ForwardRetry {
    private static var first: UInt64 { 1_000 }
    private static var longest: UInt64 { 60_000 }

    private var delay = ForwardRetry.first
    private var isScheduled = false

    /// Notes a new failure, and resets the interval to one second. Returns the milliseconds until the next attempt,
    /// or `nil` if an attempt is scheduled already.
    mutating func failed() -> UInt64? {
        delay = Self.first
        guard !isScheduled else { return nil }
        isScheduled = true
        return delay
    }

    /// Notes an attempt. Returns the milliseconds until the next attempt, or `nil` if all forwards have been opened.
    mutating func attempted(isSettled: Bool) -> UInt64? {
        delay = isSettled ? Self.first : min(Self.longest, delay * 2)
        isScheduled = !isSettled
        return isSettled ? nil : delay
    }
}
