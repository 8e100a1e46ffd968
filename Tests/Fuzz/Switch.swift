import CRingway
import Glibc
import RingwayLinks
import RingwayWire

@testable import Ringway

/// Two guests of one network: what one sends the other must not be able to be in another's name.
///
/// The engine runs on a thread of its own; that it has dealt with everything is known when it answers a question that was
/// asked last. What it has learned from one input is still there in the next.
nonisolated(unsafe) private let pair = SwitchedPair()

func fuzzSwitch(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    while !input.isEmpty {
        let choice = input.byte()
        pair.send(choice, input.take(Int(input.byte())), length: choice & 0x40 == 0 ? 0 : input.word() & 0x7FF)
    }
    pair.settle()
}

private final class SwitchedPair {
    private let network: VirtualNetwork
    private let first: Guest
    private let second: Guest
    private let own: Int32
    private let other: Int32
    private var buffer = [UInt8](repeating: 0, count: 70_000)

    init() {
        var configuration = VirtualNetwork.Configuration()
        configuration.nameServers = [TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 9)]
        configuration.shards = 1
        configuration.limits.poolBytesPerShard = 16 << 20
        configuration.limits.addressesPerGuest = 3
        // Nothing leaves: what is mutated must not reach the machine's network, or this machine.
        configuration.deny = ["0.0.0.0/0", "::/0"].compactMap { CIDRBlock($0) }
        configuration.hostLoopback = false
        do {
            network = try VirtualNetwork(configuration)
            (own, first) = try Self.attach(network, 1)
            (other, second) = try Self.attach(network, 2)
        } catch {
            giveUp("the network does not start: \(error)")
        }
    }

    private static func attach(_ network: VirtualNetwork, _ number: UInt64) throws -> (Int32, Guest) {
        var ends: [Int32] = [-1, -1]
        guard ringway_message_pair(&ends) == 0 else { throw VirtualNetwork.Failure.control("no pair of sockets") }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        let guest = try network.attach(
            Link(queues: [ends[0]], takesUDPSuperFrames: true), mac: MACAddress(rawValue: 0x5254_0000_0000 | number))
        return (ends[1], guest)
    }

    /// A frame of the first guest's: its bytes, with what is looked at first put right as the choice says.
    func send(_ choice: UInt8, _ bytes: [UInt8], length: Int) {
        let headers = VirtioNetHeader.length + EthernetHeader.length
        var frame = bytes + [UInt8](repeating: 0, count: max(0, max(length, headers) - bytes.count))
        frame.withUnsafeMutableBytes { frame in
            guard let base = frame.baseAddress else { return }
            let destinations = [second.mac, MACAddress(rawValue: 0x5255_0000_0001), .broadcast]
            // Checksums are said to be verified: they are not what this is about.
            if choice & 1 == 0 { VirtioNetFields(flags: 2).write(to: base) }
            let target = Int(choice >> 1 & 3)
            if target < 3 {
                let type = (base + 24).loadUnaligned(as: UInt16.self).bigEndian
                EthernetFields(destination: destinations[target], source: first.mac, etherType: type)
                    .write(to: base + VirtioNetHeader.length)
            }
            if choice & 8 == 0, frame.count >= headers + 20, frame[headers] >> 4 == 4 {
                (base + headers + 12).storeBytes(of: first.ipv4.rawValue.bigEndian, as: UInt32.self)
                let sum = UnsafeMutableRawBufferPointer(rebasing: frame[headers..<headers + 20])
                sum.storeBytes(of: 0, toByteOffset: 10, as: UInt16.self)
                sum.storeBytes(
                    of: Checksum.finish(Checksum.partial(UnsafeRawBufferPointer(sum))), toByteOffset: 10,
                    as: UInt16.self)
            }
        }
        write(frame)
    }

    private func write(_ frame: [UInt8]) {
        while Glibc.write(own, frame, frame.count) < 0, errno == EAGAIN {
            drain()
            precondition(isReady(Int16(POLLOUT)), "the link takes no frame")
        }
    }

    /// Waits until everything is dealt with, and looks at what has come.
    func settle() {
        let headers = VirtioNetHeader.length + EthernetHeader.length
        var question = [UInt8](repeating: 0, count: headers + 28)
        question.withUnsafeMutableBytes { frame in
            guard let base = frame.baseAddress else { return }
            VirtioNetFields().write(to: base)
            EthernetFields(destination: .broadcast, source: first.mac, etherType: EtherType.arp)
                .write(to: base + VirtioNetHeader.length)
            // Without an address of its own: whatever the guest has been given meanwhile.
            ARPFields(
                operation: 1, senderMAC: first.mac, senderIP: IPv4Address(rawValue: 0),
                targetMAC: MACAddress(rawValue: 0), targetIP: network.plan.gatewayIPv4
            ).write(to: base + headers)
        }
        write(question)
        while !takeAnswer() { precondition(isReady(Int16(POLLIN)), "the gateway does not answer") }
        drain()
    }

    /// Waits for the first guest's link; the fuzzer's own alarm interrupts.
    private func isReady(_ events: Int16) -> Bool {
        var item = pollfd(fd: own, events: events, revents: 0)
        var result: Int32 = -1
        repeat { result = poll(&item, 1, 5_000) } while result < 0 && errno == EINTR
        return result == 1
    }

    /// Reads what has come for the first guest; true when the answer to the question is among it.
    private func takeAnswer() -> Bool {
        var isAnswered = false
        while true {
            let count = read(own, &buffer, buffer.count)
            guard count > 0 else { return isAnswered }
            isAnswered = isAnswered || (count >= 54 && buffer[24] == 8 && buffer[25] == 6 && buffer[33] == 2)
        }
    }

    /// Reads what has come for the second guest.
    private func drain() {
        while true {
            let count = read(other, &buffer, buffer.count)
            guard count > 0 else { return }
            let source = buffer[18..<24].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            precondition(
                source == first.mac.rawValue || source == 0x5255_0000_0001, "a frame in the name of \(source)")
        }
    }
}
