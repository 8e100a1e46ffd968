import Testing

@testable import RingwayCommand

@Suite("Mounts and where they propagate")
struct MountTableTests {
    private let host = MountTable(
        parsing: """
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
            23 22 0:21 / /proc rw - proc proc rw
            24 22 0:22 / /mnt rw,relatime master:7 - tmpfs tmpfs rw
            """)

    @Test(
        "is told by the peer groups",
        arguments: [
            ("40 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw", true),
            ("40 1 8:1 / / rw,relatime shared:7 - ext4 /dev/vda rw", true),
            ("40 1 8:1 / / rw,relatime shared:9 master:1 - ext4 /dev/vda rw", false),
            ("40 1 8:1 / / rw,relatime master:1 - ext4 /dev/vda rw", false),
            ("40 1 8:1 / / rw,relatime - ext4 /dev/vda rw", false),
            ("40 1 8:1 / / rw,relatime unbindable - ext4 shared:1 rw", false),
        ])
    func isTold(line: String, propagates: Bool) {
        #expect(MountTable(parsing: line).propagates(40, to: host) == propagates)
    }

    @Test func `is feared of a mount that is not listed`() {
        #expect(host.propagates(99, to: host))
        #expect(MountTable(parsing: "no table\n\n1 2 3").propagates(1, to: host))
    }
}
