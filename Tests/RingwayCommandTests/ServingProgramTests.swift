import Testing

@testable import RingwayCommand

@Suite struct ServingProgramTests {
    @Test func `a network that runs the installed program needs no restart`() {
        #expect(
            ServingProgram.text(version: Version.text, process: 7, executable: "/usr/bin/ringway")
                == "ringway \(Version.text), process 7")
        #expect(
            ServingProgram.text(version: Version.text, process: 7, executable: nil)
                == "ringway \(Version.text), process 7")
    }

    @Test func `a network of another version reports how to run this one`() {
        #expect(
            ServingProgram.text(version: "0.0.1", process: 7, executable: "/usr/bin/ringway (deleted)")
                == "ringway 0.0.1, process 7, which is old: restart it to run ringway \(Version.text)")
    }

    @Test func `a network whose program was replaced by one of the same version reports it`() {
        #expect(
            ServingProgram.text(version: Version.text, process: 7, executable: "/usr/bin/ringway (deleted)")
                == "ringway \(Version.text), process 7, which is old: restart it to run the program that was installed since"
        )
        #expect(
            ServingProgram.text(version: Version.text, process: 7, executable: "/usr/bin/other (deleted)")
                == "ringway \(Version.text), process 7")
    }
}
