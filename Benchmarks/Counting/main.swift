import Workloads

// Performs workloads N and then 2N times, each inside `countedSection`, after which callgrind writes down what it has
// counted and starts again. What an iteration costs is the difference over N, so that nothing done once is in it.
//
// usage: count [WORKLOAD...]      all of them by default; prints a line "NAME N" for each

/// What is counted. Never inlined: the counter knows it by its name.
@inline(never)
@_optimize(none)
func countedSection(_ run: (Int) -> Void, _ count: Int) { run(count) }

let wanted = CommandLine.arguments.dropFirst()
let workloads = wanted.isEmpty ? Workload.all : Workload.all.filter { wanted.contains($0.name) }
for workload in workloads {
    let run = workload.prepare()
    // Types are looked up and tables grow the first time.
    run(16)
    // None first, which ends what set-up has cost.
    for count in [0, workload.counted, 2 * workload.counted] { countedSection(run, count) }
    print(workload.name, workload.counted)
}
