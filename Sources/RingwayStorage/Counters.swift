public import Synchronization

/// All counters and gauges of a guest or shard.
///
/// Every dropped packet must be counted. Gauges (`isGauge`) rise and fall, all other counters only rise.
public enum Metric: Int, CaseIterable, Sendable {
    // Link
    case framesFromGuest, bytesFromGuest, framesToGuest, bytesToGuest
    case framesHandedOver, handOverRefused, linkReadsStarved, linkWritesFailed, linkWritesRefused
    case linkWritesDropped, linkCongestions, linkFramesTruncated, linkLengthsRefused
    // Packets dropped by the stack or the engine rather than by the frame parser
    case droppedForeignDestination, droppedSpoofedSource, droppedNoBuffer, droppedTableFull
    case droppedPolicy, droppedRefusedSender, droppedUnsolicited, droppedUnexpectedSegment, droppedFragment,
        droppedService, droppedUnsupported
    case droppedErrorRateLimit
    // TCP
    case tcpFlows, tcpHalfOpen, tcpOpenedByGuest, tcpOpenedByHost, tcpRefused, tcpUnreachable, tcpTimedOut
    case tcpClosed, tcpResetByGuest, tcpResetByHost, tcpAborted, tcpRetransmittedFrames, tcpFastRetransmits
    case tcpRetransmissionTimeouts, tcpOutOfOrder, tcpOutOfOrderDropped, tcpDuplicateBytes, tcpBeyondWindow
    case tcpChallengeAcknowledgements, tcpZeroWindowProbes, tcpKeepaliveProbes, tcpWindowCommitted, tcpUnsentBytes
    case tcpAcknowledgementsDeferred, tcpHalfOpenEvicted, tcpHeldBack
    case tcpSegmentSizeLowered, tcpSourcePortsNotKept, tcpOldTimestamps, tcpTimestampsMissing
    case tcpPeersSilent, tcpKeepalivesWaiting, tcpUrgentToHost, tcpUrgentToGuest
    // UDP, ICMP
    case udpMappings, udpMappingsOpened, udpMappingsExpired, udpMappingsEvicted, udpPeersEvicted
    case udpToHost, udpFromHost, udpSendFailed, udpJoinedToHost, udpJoinedToGuest, pingMappings, pingMappingsEvicted,
        pingToHost, pingFromHost
    case icmpErrorsToGuest
    case icmpErrorsFromGuest, udpRefusalsPassedOn, udpRefusalsNotPassedOn
    // Services
    case arpAnswers, neighborAnswers, routerAdvertisements, dhcpAnswers, dnsQueries, dnsAnswers, dnsRefused
    case dnsUnanswered, dhcpDeclines, echoAnswers, routerSolicitationsRefused
    case fragmentsFromGuest, fragmentsToGuest, datagramsReassembled
    // Host and kernel
    case hostSockets, descriptorsExhausted, flowsGivenBack, forwardsAccepted, forwardsRefused
    case receivesStarved, turns, wakes
    // Connections relayed between two sockets, by splice(2) or through a buffer, without the link
    case splicedConnections, splicedOpened, splicedReset, splicedRefused, splicedTimedOut, splicedWithoutSocket
    case splicedBeyondLimit, splicedBytesToGuest, splicedBytesFromGuest, splicedPipesExhausted
    // Between the guests of a network
    case framesToNeighbors, framesFromNeighbors, framesFlooded, floodsRefused, neighborsUnknown, neighborInboxFull
    case neighborFramesRefused, neighborFragmentsRefused, neighborProbesRefused, neighborsThrottled, droppedSpoofedMAC
    case addressesRevoked
    // Storage
    case buffersLeased

    /// The key in statistics.
    public var name: String {
        switch self {
        // Keys are part of the API, so metrics that were renamed keep the key under which they were first published.
        case .bytesFromGuest: "octetsFromGuest"
        case .bytesToGuest: "octetsToGuest"
        case .tcpDuplicateBytes: "tcpDuplicateOctets"
        case .tcpUnsentBytes: "tcpParkedOctets"
        case .splicedBytesToGuest: "splicedOctetsToGuest"
        case .splicedBytesFromGuest: "splicedOctetsFromGuest"
        default: "\(self)"
        }
    }

    /// Whether the metric is a current value, which may fall, rather than a count of events.
    public var isGauge: Bool {
        switch self {
        case .tcpFlows, .tcpHalfOpen, .tcpWindowCommitted, .tcpUnsentBytes, .udpMappings, .pingMappings,
            .hostSockets, .splicedConnections, .buffersLeased:
            true
        default: false
        }
    }
}

/// The counters of one guest on one shard, or of a shard itself. The shard's thread is the only writer, so an
/// increment is a relaxed load and a relaxed store. Readers on other threads never see a torn value, and the control
/// plane adds up a guest's counters on all shards on demand.
@frozen
public struct Counters: @unchecked Sendable {
    // Sendable: all counters are atomics, and their memory is freed only when no shard uses it any more.

    @usableFromInline let words: UnsafeMutablePointer<Atomic<UInt64>>
    /// The number of counters for the drop reasons of the frame parser; the counters of `Metric` follow them.
    @usableFromInline static var reasons: Int { 64 }
    private static let count = reasons + Metric.allCases.count

    public init() {
        // The alignment, and padding of 128 bytes at the end, keep data of other shards off these cache lines.
        let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.count * 8 + 128, alignment: 128)
        words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: Self.count)
        for index in 0..<Self.count { (words + index).initialize(to: Atomic(0)) }
    }

    public func deallocate() { UnsafeMutableRawPointer(words).deallocate() }

    @inlinable public func add(_ metric: Metric, _ amount: Int = 1) {
        let word = words + (Self.reasons &+ metric.rawValue)
        word.pointee.store(
            word.pointee.load(ordering: .relaxed) &+ UInt64(bitPattern: Int64(amount)), ordering: .relaxed)
    }

    @inlinable public func set(_ metric: Metric, _ value: Int) {
        words[Self.reasons &+ metric.rawValue].store(UInt64(bitPattern: Int64(value)), ordering: .relaxed)
    }

    @inlinable public func read(_ metric: Metric) -> Int {
        Int(Int64(bitPattern: words[Self.reasons &+ metric.rawValue].load(ordering: .relaxed)))
    }

    /// Counts a frame that the parser refused; `reason` is the raw value of a `DropReason`.
    @inlinable public func addRefused(reason: UInt8) {
        let word = words + Int(reason & 63)
        word.pointee.store(word.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    public func readRefused(reason: UInt8) -> Int {
        Int(words[Int(reason & 63)].load(ordering: .relaxed))
    }
}
