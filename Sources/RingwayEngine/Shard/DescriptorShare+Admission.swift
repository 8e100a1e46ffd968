internal import RingwayStack
internal import RingwayStorage

extension DescriptorShare {
    /// Counts the descriptors of a new flow. Where the guest has its share, a flow of its own that nothing has answered
    /// ends for the new one.
    ///
    /// - Parameters:
    ///   - count: descriptors that the flow opens.
    ///   - mapping: the UDP mapping that asks, or `nil`.
    func admit(_ stack: inout Stack, _ count: Int = 1, sparing mapping: Handle? = nil) -> Grant {
        let grant = acquire(count)
        guard grant == .beyondShare, mayReplace(count), stack.endUnanswered(sparing: mapping) else { return grant }
        take(count)
        return .granted
    }
}
