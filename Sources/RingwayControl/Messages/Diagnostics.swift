internal import Glibc
internal import Ringway

/// The state of a network for a bug report, as one JSON object. It contains neither the agents' token nor payload.
enum Diagnostics {
    static func bundle(of controlled: ControlledNetwork) -> [UInt8] {
        let network = controlled.network
        return JSONWriter.text { writer in
            writer.object { writer in
                writer.member("takenAt", time(nil))
                writer.member("status") { $0.members(ofStatus: controlled) }
                writer.member("configuration") { $0.members(of: network.configuration) }
                writer.member("kernel") { $0.membersOfKernel() }
                writer.member("guests", network.guests) { writer, guest in
                    let statistics = network.statistics(of: guest.id)
                    writer.object { writer in
                        writer.members(of: guest, statistics)
                        writer.member("bounds", network.bounds(of: guest.id) ?? []) { writer, bound in
                            writer.object { $0.members(of: bound) }
                        }
                        if let statistics { writer.member("counters") { $0.members(of: statistics) } }
                    }
                }
                writer.key("forwards")
                writer.forwards(of: network)
                writer.member("leases", network.leases) { $0.lease($1) }
                writer.member("names", network.names) { $0.name($1) }
                writer.member("events", controlled.events.recent) { $0.string($1) }
            }
        }
    }
}

extension JSONWriter {
    fileprivate mutating func members(of configuration: VirtualNetwork.Configuration) {
        member("network", "\(configuration.ipv4Network)")
        member("ipv6Prefix", configuration.ipv6Prefix.map { "\($0)" })
        member("mtu", configuration.mtu)
        member("shards", configuration.shardCount)
        member("nameServers", configuration.nameServers) { $0.string("\($1)") }
        member("hostLoopback", configuration.hostLoopback)
        member("host", configuration.host)
        member("udpFiltering", configuration.udpFiltering.rawValue)
        member("privilegedSourcePorts", configuration.keepsPrivilegedPorts)
        member("allow", configuration.allow) { $0.string("\($1)") }
        member("deny", configuration.deny) { $0.string("\($1)") }
        member("isolate", configuration.isolate)
        member("capture", configuration.capture?.path)
        member("limits") { writer in
            // Every integer property of `Limits`, by its name.
            for child in Mirror(reflecting: configuration.limits).children {
                guard let label = child.label, let value = child.value as? Int else { continue }
                writer.key(label)
                writer.integer(value)
            }
        }
    }

    fileprivate mutating func membersOfKernel() {
        var name = utsname()
        uname(&name)
        member("release", withUnsafeBytes(of: name.release) { Self.text($0) })
        member("machine", withUnsafeBytes(of: name.machine) { Self.text($0) })
        member("features", KernelFeatures.probe()) { writer, feature in
            writer.object { writer in
                writer.member("name", feature.name)
                writer.member("present", feature.present)
            }
        }
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
