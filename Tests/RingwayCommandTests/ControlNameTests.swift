import Testing

@testable import RingwayCommand

@Suite("Names of networks")
struct ControlNameTests {
    @Test(
        "a network that has been given no name is called after its namespace or its process",
        arguments: [
            (GuestOrigin.path("/run/netns/blue"), "blue"), (.path("/var/run/docker/netns/1f2e"), "1f2e"),
            (.path("/proc/4711/ns/net"), "attach-4711"), (.path("/proc/self/fd/7"), "attach-99"),
            (.path("/run/netns/a b"), "attach-99"), (.path("/tmp/.hidden"), "attach-99"), (.path("/"), "attach-99"),
            (.path("/run/netns/" + String(repeating: "x", count: 65)), "attach-99"),
            (.process(4_711), "attach-4711"), (.command(["sleep", "1"]), "run-99"),
        ] as [(GuestOrigin, String)])
    func derives(_ origin: GuestOrigin, _ name: String) {
        #expect(ControlName.derived(from: origin, process: 99) == name)
    }

    @Test func `a name that is taken gets a number, and never grows too long`() throws {
        #expect(ControlName.alternatives(to: "blue").prefix(2) == ["blue-2", "blue-3"])
        for name in ControlName.alternatives(to: String(repeating: "x", count: 64)) {
            #expect(try OptionValue.networkName(name) == name)
        }
    }

    @Test func `a namespace's name is looked for where ip netns keeps them, a path is taken as it is`() throws {
        #expect(try GuestOrigin.path("./blue").found() == .path("./blue"))
        #expect(try GuestOrigin.process(7).found() == .process(7))
        for name in ["no-such-namespace", ".", ".."] {
            #expect {
                try GuestOrigin.path(name).found()
            } throws: { error in
                let message = (error as? CommandFailure)?.message ?? ""
                return message.contains("/run/netns/\(name) nor /var/run/netns/\(name)")
            }
        }
    }
}
