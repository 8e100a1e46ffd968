internal import RingwayEngine
internal import RingwayModel

/// A forward as its network keeps it, with the host's sockets that hold its ports from when it is published until it no
/// longer is.
struct ForwardRecord {
    var port: PublishedPort
    /// The sockets, in the order of `orders`; empty where they could not be had.
    private(set) var sockets: [Int32] = []
    /// Whether they listen, lent to an engine or about to be; otherwise they rest.
    private(set) var isListening = false
    /// Whether the socket was opened by another, and listens whatever we do.
    private(set) var isInherited = false
    /// Where the first port of each order of UDP leads.
    private(set) var targets: [IPAddress] = []

    init(port: PublishedPort) { self.port = port }

    /// The sockets that a forward takes, as they are to be now. TCP has one for both families; a UDP mapping belongs to
    /// the shard of the guest's address, so each family has a socket of its own.
    ///
    /// - Parameter engine: the guest's; `nil` while it is away.
    func orders(on policy: BindPolicy, _ engine: Engine?) -> [ListenOrder] {
        let forward = port.forward
        let places = policy.places(for: forward.hostAddress)
        // The shards choose the guest's address for each client of TCP.
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
            // A host without IPv6 has no loopback of that family either.
            order.isOptional = forward.hostAddress == nil && !place.isIPv4 && places.count > 1
            return order
        }
    }

    // MARK: Sockets

    /// Takes sockets that were opened for these orders.
    mutating func adopt(_ sockets: [Int32], _ orders: [ListenOrder]) {
        self.sockets = sockets
        isListening = !(orders.first?.isResting ?? true)
    }

    /// Takes the sockets of a forward that is no longer published, which wanted the same ports.
    mutating func adopt(socketsOf other: ForwardRecord) {
        sockets = other.sockets
        isListening = other.isListening
        isInherited = other.isInherited
    }

    /// Takes a socket that another has opened.
    mutating func adopt(inherited socket: Int32) {
        sockets = [socket]
        isListening = true
        isInherited = true
    }

    /// Has sockets listen that rest.
    mutating func wake(_ orders: [ListenOrder]) throws(HostListenFailure) {
        try PortSockets.wake(orders, &sockets)
        isListening = true
    }

    /// Has sockets rest that no engine has any more.
    mutating func rest(_ orders: [ListenOrder]) {
        port.guest = nil
        targets = []
        guard isListening, !isInherited else { return }
        PortSockets.rest(orders, &sockets)
        isListening = false
    }

    /// Gives the ports up, whose sockets no engine has any more.
    mutating func close() {
        PortSockets.close(sockets)
        forgetSockets()
    }

    /// The sockets have another owner now.
    mutating func forgetSockets() {
        sockets = []
        isListening = false
        isInherited = false
    }

    /// The orders are a guest's now.
    mutating func lead(to guest: Guest.ID, _ orders: [ListenOrder]) {
        port.guest = guest
        targets = Self.targets(of: orders)
    }

    /// Whether UDP leads where the guest's addresses are: a socket's shard depends on them.
    func leads(where orders: [ListenOrder]) -> Bool { targets == Self.targets(of: orders) }

    private static func targets(of orders: [ListenOrder]) -> [IPAddress] {
        orders.filter { !$0.isStream }.map(\.guest.address)
    }
}

/// When what has failed is tried again: after a second, and then each time after twice as long, up to a minute.
struct ForwardRetry {
    private static var first: UInt64 { 1_000 }
    private static var longest: UInt64 { 60_000 }

    private var delay = ForwardRetry.first
    private var isScheduled = false

    /// Something has failed anew; the milliseconds until the next attempt, unless one is to come anyway.
    mutating func failed() -> UInt64? {
        delay = Self.first
        guard !isScheduled else { return nil }
        isScheduled = true
        return delay
    }

    /// An attempt was made; the milliseconds until the next one, if there is to be one.
    mutating func attempted(isSettled: Bool) -> UInt64? {
        delay = isSettled ? Self.first : min(Self.longest, delay * 2)
        isScheduled = !isSettled
        return isSettled ? nil : delay
    }
}
