internal import CRingway
internal import Glibc
internal import RingwayModel

/// The default ethernet address of a guest: the same at each start of the agent, so that the network recognises the
/// guest, but different on every machine and in every network namespace.
enum StableAddress {
    static func make(interface: String, endpoint: HostEndpoint) -> MACAddress {
        var seed = interface
        seed += contents(of: "/etc/machine-id") ?? contents(of: "/proc/sys/kernel/random/boot_id") ?? "no identity"
        var (device, number): (UInt64, UInt64) = (0, 0)
        if ringway_file_identity("/proc/self/ns/net", &device, &number) == 0 { seed += " \(number)" }
        // Virtual machines cloned from one image have the same machine ID, but each has its own CID.
        if case .vsock = endpoint { seed += " \(ringway_vsock_local())" }
        // FNV-1a: the hash must be well distributed, not unpredictable.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in seed.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        // A locally administered unicast address.
        return MACAddress(rawValue: (hash >> 8) & ~0x0100_0000_0000 | 0x0200_0000_0000)
    }

    private static func contents(of path: String) -> String? {
        guard let file = SmallFile.read(path), !file.isEmpty else { return nil }
        return String(decoding: file, as: UTF8.self)
    }
}
