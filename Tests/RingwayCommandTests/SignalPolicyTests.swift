import Glibc
import Testing

@testable import RingwayCommand

/// COMMAND is in the bridge's process group unless stated otherwise.
@Suite("What the bridge does about signals")
struct SignalPolicyTests {
    private func fromTerminal(_ number: Int32) -> SignalInbox.Signal {
        SignalInbox.Signal(number: number, isFromKernel: true)
    }
    private func fromProcess(_ number: Int32) -> SignalInbox.Signal {
        SignalInbox.Signal(number: number, isFromKernel: false)
    }

    @Test("passes on what a process sent", arguments: [SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT, SIGWINCH])
    func forwards(_ number: Int32) {
        var policy = SignalPolicy()
        #expect(policy.receive(fromProcess(number), reachesCommand: true) == .forward(number))
    }

    @Test("does not repeat what the terminal sent to both", arguments: [SIGINT, SIGQUIT, SIGHUP, SIGWINCH])
    func keepsTerminalSignals(_ number: Int32) {
        var policy = SignalPolicy()
        #expect(policy.receive(fromTerminal(number), reachesCommand: true) == .none)
    }

    @Test func `passes the terminal's signals on to a COMMAND that has left the group`() {
        var policy = SignalPolicy()
        #expect(policy.receive(fromTerminal(SIGINT), reachesCommand: false) == .forward(SIGINT))
    }

    @Test func `keeps the end of a child to itself`() {
        var policy = SignalPolicy()
        #expect(policy.receive(fromTerminal(SIGCHLD), reachesCommand: true) == .none)
    }

    @Test func `stops with COMMAND when the terminal stops both, in either order`() {
        var policy = SignalPolicy()
        #expect(policy.receive(fromTerminal(SIGTSTP), reachesCommand: true) == .none)
        #expect(policy.commandDidStop(by: SIGTSTP) == .stopBridge)
        policy.commandDidContinue()
        #expect(policy.commandDidStop(by: SIGTSTP) == .none)
        #expect(policy.receive(fromTerminal(SIGTSTP), reachesCommand: true) == .stopBridge)
    }

    @Test func `runs on when COMMAND refuses to stop`() {
        var policy = SignalPolicy()
        #expect(policy.receive(fromTerminal(SIGTSTP), reachesCommand: true) == .none)
        #expect(policy.receive(fromProcess(SIGCONT), reachesCommand: true) == .forward(SIGCONT))
        #expect(policy.commandDidStop(by: SIGTSTP) == .none)
    }

    @Test func `runs on when a debugger stops COMMAND`() {
        var policy = SignalPolicy()
        #expect(policy.commandDidStop(by: SIGSTOP) == .none)
        #expect(policy.receive(fromTerminal(SIGTSTP), reachesCommand: true) == .none)
    }

    @Test func `passes a stop on that a process sent`() {
        var policy = SignalPolicy()
        #expect(policy.receive(fromProcess(SIGTSTP), reachesCommand: true) == .forward(SIGTSTP))
        #expect(policy.commandDidStop(by: SIGTSTP) == .none)
    }
}
