import ArgumentParser
import Ringway
import Testing

@testable import RingwayCommand

@Suite("The value of --publish")
struct PublishSpecificationTests {
    struct Accepted: CustomTestStringConvertible, Sendable {
        let text: String
        let forward: PortForward
        var testDescription: String { text }

        init(
            _ text: String, address: String? = nil, host: ClosedRange<UInt16>, guest: ClosedRange<UInt16>,
            _ transport: PortForward.Transport = .tcp
        ) {
            self.text = text
            forward = PortForward(
                hostAddress: address.flatMap { IPAddress($0) }, hostPorts: host, guestPorts: guest,
                transport: transport)
        }
    }

    @Test(
        "accepts every form that Docker does",
        arguments: [
            Accepted("8080:80", host: 8080...8080, guest: 80...80),
            Accepted("80", host: 0...0, guest: 80...80),
            Accepted("53/udp", host: 0...0, guest: 53...53, .udp),
            Accepted(":80", host: 0...0, guest: 80...80),
            Accepted("0:80", host: 0...0, guest: 80...80),
            Accepted("127.0.0.1::80", address: "127.0.0.1", host: 0...0, guest: 80...80),
            Accepted("127.0.0.1:0:80/udp", address: "127.0.0.1", host: 0...0, guest: 80...80, .udp),
            Accepted("[::1]::80", address: "::1", host: 0...0, guest: 80...80),
            Accepted("8000-9000:80", host: 8000...9000, guest: 80...80),
            Accepted("127.0.0.1:8000-9000:80", address: "127.0.0.1", host: 8000...9000, guest: 80...80),
            Accepted("53:5353/UDP", host: 53...53, guest: 5353...5353, .udp),
            Accepted("8080:80/tcp", host: 8080...8080, guest: 80...80),
            Accepted("9000-9099:1000-1099", host: 9000...9099, guest: 1000...1099),
            Accepted("9000-9099", host: 0...0, guest: 9000...9099),
            Accepted("127.0.0.1:8080:80", address: "127.0.0.1", host: 8080...8080, guest: 80...80),
            Accepted("0.0.0.0:1-65535:1-65535", address: "0.0.0.0", host: 1...65535, guest: 1...65535),
            Accepted("[::1]:8080:80", address: "::1", host: 8080...8080, guest: 80...80),
            Accepted("[::]:53:53/udp", address: "::", host: 53...53, guest: 53...53, .udp),
            Accepted("[fd00::2]:70-71:80-81", address: "fd00::2", host: 70...71, guest: 80...81),
        ])
    func accepts(_ example: Accepted) throws {
        let forward = try PublishSpecification.parse(example.text)
        #expect(forward == example.forward)
        #expect(try PublishSpecification.parse("\(forward)") == forward, "what is shown can be given again")
    }

    @Test(
        "refuses ports that are given twice",
        arguments: [
            (["8080:80", "8080:80"], "port 8080 of the host cannot be published twice: 8080:80/tcp is given twice"),
            (
                ["127.0.0.1:90:1", "80-99:80-99", "8080:80"],
                "port 90 of the host cannot be published twice: 80-99:80-99/tcp and 127.0.0.1:90:1/tcp are both given"
            ),
            (
                ["a=0.0.0.0:1-9:1-9", "b=10.0.0.1:5-20:5-20"],
                "ports 5 to 9 of the host cannot be published twice: a=0.0.0.0:1-9:1-9/tcp and "
                    + "b=10.0.0.1:5-20:5-20/tcp are both given"
            ),
        ])
    func refuseTwice(texts: [String], fault: String) throws {
        let forwards = try texts.map { try PublishSpecification.parseForGuest($0) }
        let error = #expect(throws: ValidationError.self) { try PublishSpecification.refuseConflicts(forwards) }
        #expect(error?.message == fault)
    }

    @Test(
        "takes ports that only look like each other",
        arguments: [
            ["8080:80", "8080:80/udp"], ["127.0.0.1:80:80", "[::1]:80:80", "127.0.0.2:80:80"], ["80", "80", "0:80"],
            ["8000-9000:80", "8000:81"], ["0.0.0.0:80:80", "[::]:80:80"], ["1-9:1-9", "10-19:10-19"],
        ])
    func takeAlike(texts: [String]) throws {
        try PublishSpecification.refuseConflicts(texts.map { try PublishSpecification.parseForGuest($0) })
    }

    @Test(
        "takes a guest before it",
        arguments: [
            ("web=8080:80", GuestSelector.name("web")), ("10.0.0.9=8080:80", .address(IPv4Address(10, 0, 0, 9))),
            ("52:54:00:12:34:56=8080:80", .mac(MACAddress(rawValue: 0x5254_0012_3456))), ("8080:80", .first),
        ])
    func takeGuest(text: String, guest: GuestSelector) throws {
        let forward = try PublishSpecification.parseForGuest(text)
        #expect(forward.guest == guest)
        #expect(forward.hostPorts == 8080...8080)
    }

    @Test("refuses a guest that none can be", arguments: ["=80:80", "host=80:80", "a.b=80:80", "1.2.3=80:80"])
    func refuseGuest(text: String) {
        let error = #expect(throws: ValidationError.self) { try PublishSpecification.parseForGuest(text) }
        #expect(error?.message.contains("is neither a guest's name nor its address") == true)
    }

    struct Refused: CustomTestStringConvertible, Sendable {
        let text: String
        let fault: String
        var testDescription: String { text }

        init(_ text: String, _ fault: String) {
            self.text = text
            self.fault = fault
        }
    }

    @Test(
        "names the part at fault",
        arguments: [
            Refused("", "the guest's port is missing"),
            Refused(":", "the guest's port is missing"),
            Refused("80:", "the guest's port is missing"),
            Refused("/udp", "the guest's port is missing"),
            Refused(
                "127.0.0.1:80", "the guest's port is missing; for a free port of the host write 127.0.0.1::80"),
            Refused("[::1]:80", "the guest's port is missing; for a free port of the host write [::1]::80"),
            Refused("127.0.0.1::", "the guest's port is missing"),
            Refused("80:0", "the guest's port \"0\" is not a number from 1 to 65535"),
            Refused("0-9:80", "the host's port \"0\" is not a number from 1 to 65535"),
            Refused("80:99999", "the guest's port \"99999\" is not a number from 1 to 65535"),
            Refused("+80:80", "the host's port \"+80\" is not a number from 1 to 65535"),
            Refused("80: 80", "the guest's port \" 80\" is not a number from 1 to 65535"),
            Refused("http:80", "the host's port \"http\" is not a number from 1 to 65535"),
            Refused("90-80:80-90", "the host's range \"90-80\" runs backwards"),
            Refused("80-90:90-80", "the guest's range \"90-80\" runs backwards"),
            Refused("80-81-82:80", "the host's range \"80-81-82\" has too many ends"),
            Refused("80-:80", "the host's port \"\" is not a number from 1 to 65535"),
            Refused("8000-8010:9000-9001", "the host's range has 11 ports and the guest's 2"),
            Refused("8000:9000-9001", "the host's range has 1 ports and the guest's 2"),
            Refused("80:80/sctp", "the protocol \"sctp\" is neither tcp nor udp"),
            Refused("80:80/", "the protocol \"\" is neither tcp nor udp"),
            Refused("1.2.3:80:80", "the host's address \"1.2.3\" is not an IP address"),
            Refused("256.1.1.1:80:80", "the host's address \"256.1.1.1\" is not an IP address"),
            Refused("localhost:80:80", "the host's address \"localhost\" is not an IP address"),
            Refused("::1:80:80", "there is a colon too many; an IPv6 address stands in brackets"),
            Refused("[::1:80:80", "the host's address has no closing bracket"),
            Refused("[::1]80:80", "a colon is missing after the host's address"),
            Refused("[1.2.3.4]:80:80", "the host's address \"1.2.3.4\" is not an IPv6 address"),
        ])
    func refuses(_ example: Refused) throws {
        let error = #expect(throws: ValidationError.self) { try PublishSpecification.parse(example.text) }
        #expect(error?.message == example.fault)
    }
}
