import RingwaySimulation

/// A Markdown table of the goodput of bulk transfers with each congestion control algorithm. Each row is a simulated
/// path, from a local network to another continent.
enum TransferTable {
    private static let seeds: ClosedRange<UInt64> = 1...5

    private struct Path {
        /// Megabits per second.
        let rate: UInt64
        /// Milliseconds.
        let roundTrip: UInt64
        /// Loss of segments in per cent.
        let loss: Double
    }

    private static let paths = ([100, 1_000] as [UInt64]).flatMap { rate in
        ([1, 20, 100] as [UInt64]).flatMap { roundTrip in
            [0, 0.01, 0.1, 1].map { loss in Path(rate: rate, roundTrip: roundTrip, loss: loss) }
        }
    }

    /// Prints the table. Returns the exit status: 1 if a transfer failed.
    static func printAll() -> Int32 {
        var isClean = true
        print("| rate, Mbit/s | round trip, ms | loss, % | NewReno, Mbit/s | CUBIC, Mbit/s | CUBIC/NewReno |")
        print("|---:|---:|---:|---:|---:|---:|")
        for path in paths {
            guard let reno = goodput(over: path, usesCubic: false), let cubic = goodput(over: path, usesCubic: true)
            else {
                isClean = false
                continue
            }
            print(
                "| \(path.rate) | \(path.roundTrip) | \(path.loss) | \(text(reno / 1e6)) | \(text(cubic / 1e6)) | "
                    + "\(text(cubic / reno)) |")
        }
        return isClean ? 0 : 1
    }

    /// The median goodput over the seeds, in bits per second. If a transfer fails, a message is printed, and the
    /// result is `nil`.
    private static func goodput(over path: Path, usesCubic: Bool) -> Double? {
        var transfer = Transfer()
        transfer.rate = path.rate * 125_000
        transfer.roundTrip = path.roundTrip * 1_000_000
        transfer.loss = path.loss / 100
        var all: [Double] = []
        for seed in seeds {
            let report = Simulation.run(transfer, seed: seed, usesCubic: usesCubic)
            if let failure = report.failure {
                print("\(transfer), \(usesCubic ? "CUBIC" : "NewReno"), seed \(seed): \(failure)")
                return nil
            }
            all.append(transfer.goodput(over: report.deliveredAt))
        }
        return all.sorted()[all.count / 2]
    }

    /// The value rounded to an integer from 100 on, to one decimal place from 10 on, otherwise to two.
    private static func text(_ value: Double) -> String {
        if value >= 100 { return "\(Int(value.rounded()))" }
        let places = value >= 10 ? 10.0 : 100.0
        return "\((value * places).rounded() / places)"
    }
}
