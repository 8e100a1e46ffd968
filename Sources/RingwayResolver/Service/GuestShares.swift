/// A limited number of units shared by guests, such as concurrent queries.
///
/// Theory of operation: an object that uses units, such as a query in progress, is a *holder*. A guest may take units
/// while enough are free. Otherwise it may still take them if it will then have fewer than the guest with the most
/// units; in return, the oldest holder of the guest with the most units is ended. In any other case the request is
/// refused. With N guests, each can therefore have about an Nth of the units, regardless of the others' requests, and
/// two guests cannot displace each other in turn.
struct GuestShares<Holder: AnyObject> {
    typealias Guest = UInt32

    /// The units given to a holder; `release` takes them back.
    struct Ticket {
        fileprivate let guest: Guest
        fileprivate let number: UInt64
        fileprivate let units: Int
    }

    /// One guest's holders, numbered in the order in which they were added.
    private struct Line {
        var used = 0
        var holders: [UInt64: Holder] = [:]
        var nextNumber: UInt64 = 0
        /// No holder has a lower number.
        var oldestNumber: UInt64 = 0
    }

    let capacity: Int
    private(set) var used = 0
    private var lines: [Guest: Line] = [:]

    init(capacity: Int) { self.capacity = capacity }

    func used(by guest: Guest) -> Int { lines[guest]?.used ?? 0 }

    /// Whether a guest may take this many units: they are free, or the guest with the most units would still have more.
    func admits(_ guest: Guest, units: Int = 1) -> Bool {
        if used + units <= capacity { return true }
        guard units <= capacity, let greediest else { return false }
        return used(by: guest) + units < greediest.used
    }

    /// Gives units to a holder, even if they are not free. The caller must then end the holders that `displaced`
    /// returns, one after another, until it returns `nil`.
    mutating func take(_ holder: Holder, for guest: Guest, units: Int = 1) -> Ticket {
        var line = lines.removeValue(forKey: guest) ?? Line()
        let number = line.nextNumber
        line.nextNumber += 1
        line.used += units
        line.holders[number] = holder
        lines[guest] = line
        used += units
        return Ticket(guest: guest, number: number, units: units)
    }

    mutating func release(_ ticket: Ticket) {
        guard var line = lines.removeValue(forKey: ticket.guest) else { return }
        if line.holders.removeValue(forKey: ticket.number) != nil {
            line.used -= ticket.units
            used -= ticket.units
        }
        if !line.holders.isEmpty { lines[ticket.guest] = line }
    }

    /// The holder to end while the limit is exceeded: the oldest of the guest with the most units. `nil` if the limit
    /// is not exceeded.
    var displaced: Holder? {
        mutating get { used > capacity ? greediest.flatMap { oldest(of: $0.guest) } : nil }
    }

    /// The oldest holder of the guest with the most units; `nil` unless `guest` would have fewer with one more unit.
    mutating func greedier(than guest: Guest) -> Holder? {
        guard let greediest, used(by: guest) + 1 < greediest.used else { return nil }
        return oldest(of: greediest.guest)
    }

    /// The guest with most units.
    var greediest: (guest: Guest, used: Int)? {
        lines.max { $0.value.used < $1.value.used }.map { ($0.key, $0.value.used) }
    }

    func holders(of guest: Guest) -> [Holder] { lines[guest].map { Array($0.holders.values) } ?? [] }

    private mutating func oldest(of guest: Guest) -> Holder? {
        guard var number = lines[guest]?.oldestNumber, let end = lines[guest]?.nextNumber else { return nil }
        // Numbers are never reused, so each is skipped only once.
        while number < end, lines[guest]?.holders[number] == nil { number += 1 }
        lines[guest]?.oldestNumber = number
        return lines[guest]?.holders[number]
    }
}
