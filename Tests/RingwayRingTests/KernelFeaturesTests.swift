import Glibc
import RingwayRing
import Testing

@Suite("Kernel features", .tags(.kernel))
struct KernelFeaturesTests {
    /// The running kernel as a number that compares: 6.7 is 6007.
    private static func kernelVersion() -> Int {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let parts = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return parts.count == 2 ? parts[0] * 1_000 + parts[1] : 0
    }

    @Test func `are found the same each time`() {
        #expect(KernelFeatures.probe() == KernelFeatures.probe())
    }

    @Test func `are all there or none when no ring can be made`() {
        let features = KernelFeatures.probe()
        if features.hasRing {
            #expect(features.ringError == 0)
        } else {
            var nothing = KernelFeatures()
            nothing.ringError = features.ringError
            #expect(features == nothing)
            #expect(features.ringError > 0)
        }
    }

    @Test(.enabled(if: KernelFeatures.probe().hasRing))
    func `are those of the kernel's release`() {
        let features = KernelFeatures.probe()
        let version = Self.kernelVersion()
        // Distributions backport features, so an old number proves nothing; a new one does.
        if version >= 5_019 { #expect(features.hasBufferRings) }
        if version >= 5_018 { #expect(features.hasRingMessages) }
        if version >= 6_000 { #expect(features.hasMultishotReceive) }
        if version >= 6_001 { #expect(features.defersTaskWork) }
        if version >= 6_007 { #expect(features.hasMultishotRead) }
        if version >= 6_010 { #expect(features.acceptsPollFirst) }
    }
}
