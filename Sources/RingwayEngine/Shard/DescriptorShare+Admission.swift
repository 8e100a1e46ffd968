internal import RingwayStack
internal import RingwayStorage

extension DescriptorShare {
    /// Counts the descriptors of a new flow. If the guest has used up its share, the oldest of its flows that have
    /// had no reply yet is ended to make room, if `mayReplace` permits it.
    ///
    /// - Parameters:
    ///   - count: the number of descriptors that the flow opens.
    ///   - mapping: the new flow if it is a UDP mapping, which must not be ended; `nil` for other flows.
    func admit(_ stack: inout Stack, _ count: Int = 1, sparing mapping: Handle? = nil) -> Grant {
        let grant = acquire(count)
        guard grant == .beyondShare, mayReplace(count), stack.endUnanswered(sparing: mapping) else { return grant }
        take(count)
        return .granted
    }
}
