/// TCP through the whole stack: parse, look-up, connection, effects; what is missing is the kernel.
extension Workload {
    static var streams: [Workload] {
        let receives = [("SuperFrame", 64_240, 1), ("1460", 1_460, 16), ("64", 64, 16)].map { name, payload, perTurn in
            // One iteration is one segment or super-frame.
            Workload("TCP.Receive.\(name)") {
                let shards = PumpedShards(count: 1)
                return { count in
                    let before = shards[0].pointee.bytesToHost
                    for _ in 0..<count / perTurn {
                        shards[0].pointee.beginTurn()
                        for _ in 0..<perTurn {
                            shards[0].pointee.receiveSegment(shards[0].pointee.flows, payload: payload)
                        }
                        shards[0].pointee.finishTurn()
                    }
                    precondition(
                        shards[0].pointee.bytesToHost - before == count / perTurn * perTurn * payload,
                        "payload was lost")
                }
            }
        }
        let transmits = [("SuperFrame", 64_240), ("64", 64)].map { name, payload in
            // One iteration is one receive from the host, one frame to the guest and one acknowledgement.
            Workload("TCP.Transmit.\(name)") {
                let shards = PumpedShards(count: 1)
                shards[0].pointee.warmUp(flows: 1, payload: payload)
                return { count in
                    let before = shards[0].pointee.framesToGuest
                    for _ in 0..<count { shards[0].pointee.transmitTurn(flows: 1, payload: payload) }
                    precondition(shards[0].pointee.framesToGuest - before >= count, "frames were lost")
                }
            }
        }
        return receives + transmits
    }

    /// The same with timestamps on every segment.
    static var stampedStreams: [Workload] {
        let receives = [("SuperFrame", 64_240, 1), ("64", 64, 16)].map { name, payload, perTurn in
            Workload("TCP.Receive.\(name).Timestamps") {
                let shards = PumpedShards(count: 1, isStamped: true)
                return { count in
                    let before = shards[0].pointee.bytesToHost
                    for _ in 0..<count / perTurn {
                        shards[0].pointee.beginTurn()
                        for _ in 0..<perTurn {
                            shards[0].pointee.receiveStampedSegment(shards[0].pointee.flows, payload: payload)
                        }
                        shards[0].pointee.finishTurn()
                    }
                    precondition(
                        shards[0].pointee.bytesToHost - before == count / perTurn * perTurn * payload,
                        "payload was lost")
                }
            }
        }
        let transmits = [("SuperFrame", 64_240), ("64", 64)].map { name, payload in
            Workload("TCP.Transmit.\(name).Timestamps") {
                let shards = PumpedShards(count: 1, isStamped: true)
                shards[0].pointee.warmUpStamped(payload: payload)
                return { count in
                    let before = shards[0].pointee.framesToGuest
                    for _ in 0..<count { shards[0].pointee.transmitStampedTurn(payload: payload) }
                    precondition(shards[0].pointee.framesToGuest - before >= count, "frames were lost")
                }
            }
        }
        return receives + transmits
    }
}
