import RingwaySystem
import Testing

@Suite("The machine at the other end of a vsock")
struct VsockPeersTests {
    @Test(
        "of a port for every virtual machine",
        arguments: [(3, true), (77, true), (2, false), (1, false), (0, false), (-1, false), (5, false)])
    func everyMachine(peer: Int64, isAdmitted: Bool) {
        // 5 is the machine itself, which may be a virtual one; its programs can bind to that.
        #expect(VsockPeers().admits(peer, own: 5) == isAdmitted)
    }

    @Test(
        "of a port for some machines",
        arguments: [(3, true), (4, true), (6, false), (1, false), (2, false), (-1, false)])
    func someMachines(peer: Int64, isAdmitted: Bool) {
        #expect(VsockPeers([3, 4]).admits(peer, own: 2) == isAdmitted)
    }

    @Test("of a port for this machine's programs", arguments: [(1, true), (5, true), (3, false), (2, false)])
    func ownPrograms(peer: Int64, isAdmitted: Bool) {
        #expect(VsockPeers([1]).admits(peer, own: 5) == isAdmitted)
    }

    @Test("of a guest's agent that waits for its host", arguments: [(2, true), (1, false), (3, false), (9, false)])
    func host(peer: Int64, isAdmitted: Bool) {
        #expect(VsockPeers([VsockPeers.host]).admits(peer, own: 3) == isAdmitted)
    }
}
