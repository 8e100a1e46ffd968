internal import CRingway

/// The processors this process may run on, which in a container are fewer than the machine has.
enum Processors {
    static var count: Int { max(1, Int(ringway_processor_count())) }
}
