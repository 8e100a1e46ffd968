import RingwaySimulation

/// libFuzzer calls from one thread only.
nonisolated(unsafe) private let memory = ScriptedMemory()

/// libFuzzer's way in: one input is one script. Built by `tools/fuzz`, not by the package.
@_cdecl("LLVMFuzzerTestOneInput")
public func runOneInput(_ octets: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    ScriptedNetwork.run(UnsafeRawBufferPointer(start: octets, count: count), in: memory)
    return 0
}
