import Workloads

// Runs workloads N and then 2N times, each inside `countedSection`, after which callgrind writes its counts and resets
// them. The cost of an iteration is the difference over N, which excludes one-time costs.
//
// usage: count [WORKLOAD...]      all of them by default; prints a line "NAME N" for each

/// The counted function. Never inlined, because callgrind finds it by its name.
@inline(never)
@_optimize(none)
func countedSection(_ run: (Int) -> Void, _ count: Int) { run(count) }

let wanted = CommandLine.arguments.dropFirst()
let workloads = wanted.isEmpty ? Workload.all : Workload.all.filter { wanted.contains($0.name) }
for workload in workloads {
    let run = workload.prepare()
    // The first run looks up types and grows tables.
    run(16)
    // Zero iterations first, which ends the counting of the setup.
    for count in [0, workload.counted, 2 * workload.counted] { countedSection(run, count) }
    print(workload.name, workload.counted)
}
