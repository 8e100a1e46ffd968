import Twin

/// The same frames through the twin in C; tools/twin compares.
extension Workload {
    static var twins: [Workload] {
        let receives = [("SuperFrame", 64_240, 1), ("1460", 1_460, 16), ("64", 64, 16)].map { name, payload, perTurn in
            Workload("Twin.Receive.\(name)") {
                let twin = twin_create()
                return { count in
                    let before = twin_bytes_to_host(twin)
                    for _ in 0..<count / perTurn { twin_receive_turn(twin, Int32(perTurn), Int32(payload)) }
                    precondition(
                        twin_bytes_to_host(twin) - before == count / perTurn * perTurn * payload, "payload was lost")
                }
            }
        }
        let transmits = [("SuperFrame", 64_240), ("64", 64)].map { name, payload in
            Workload("Twin.Transmit.\(name)") {
                let twin = twin_create()
                twin_warm_up(twin, Int32(payload))
                return { count in
                    let before = twin_frames_to_guest(twin)
                    for _ in 0..<count { twin_transmit_turn(twin, Int32(payload)) }
                    precondition(twin_frames_to_guest(twin) - before >= count, "frames were lost")
                }
            }
        }
        return receives + transmits
    }
}
