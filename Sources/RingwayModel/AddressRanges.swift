/// A set of addresses, kept as sorted ranges that neither overlap nor touch, so that a lookup is a binary search.
public struct AddressRanges: Equatable, Sendable {
    private struct Range: Equatable, Sendable {
        var first: IPAddress
        var last: IPAddress
    }

    private var ipv4: [Range]
    private var ipv6: [Range]

    /// The addresses of all the blocks.
    public init(_ blocks: [CIDRBlock]) {
        ipv4 = Self.merged(blocks.filter(\.address.isIPv4))
        ipv6 = Self.merged(blocks.filter { !$0.address.isIPv4 })
    }

    private static func merged(_ blocks: [CIDRBlock]) -> [Range] {
        let ranges = blocks.map { Range(first: $0.networkAddress, last: $0.lastAddress) }
            .sorted { precedes($0.first, $1.first) }
        var merged: [Range] = []
        for range in ranges {
            // Blocks that overlap or touch the last range extend it.
            if let last = merged.last, !precedes(successor(of: last.last), range.first) {
                if precedes(last.last, range.last) { merged[merged.count - 1].last = range.last }
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    private static func precedes(_ a: IPAddress, _ b: IPAddress) -> Bool {
        a.high < b.high || (a.high == b.high && a.low < b.low)
    }

    /// The next higher address; the highest address is its own successor.
    private static func successor(of address: IPAddress) -> IPAddress {
        let (low, carries) = address.low.addingReportingOverflow(1)
        guard carries else { return IPAddress(high: address.high, low: low) }
        return address.high == .max ? address : IPAddress(high: address.high + 1, low: low)
    }

    public func contains(_ address: IPAddress) -> Bool {
        let ranges = address.isIPv4 ? ipv4 : ipv6
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if Self.precedes(ranges[middle].last, address) { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && !Self.precedes(address, ranges[low].first)
    }
}
