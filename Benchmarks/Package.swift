// swift-tools-version: 6.3
import PackageDescription

// A separate package, so that building or embedding Ringway does not fetch the dependencies of its benchmarks. The
// modules are symbolic links to Ringway's own sources: they are not products, and benchmarks must not require them to
// be.

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "ringway-benchmarks",
    dependencies: [
        // Without its traits, whose interposers are not needed here (see tools/allocations).
        .package(url: "https://github.com/ordo-one/benchmark.git", exact: "1.38.1", traits: [])
    ],
    targets: [
        .systemLibrary(
            name: "CLiburing", path: "Modules/CLiburing", pkgConfig: "liburing", providers: [.apt(["liburing-dev"])]),
        .target(
            name: "CRingway", dependencies: ["CLiburing"], path: "Modules/CRingway",
            linkerSettings: [.linkedLibrary("uring")]),
        .target(name: "RingwayModel", path: "Modules/RingwayModel", swiftSettings: settings),
        .target(
            name: "RingwayWire", dependencies: ["RingwayModel", "CRingway"], path: "Modules/RingwayWire",
            swiftSettings: settings),
        .target(
            name: "RingwaySystem", dependencies: ["RingwayModel", "CRingway"], path: "Modules/RingwaySystem",
            swiftSettings: settings),
        .target(
            name: "RingwayStorage", dependencies: ["CRingway"], path: "Modules/RingwayStorage",
            swiftSettings: settings),
        .target(
            name: "RingwayStack", dependencies: ["RingwayModel", "RingwayWire", "RingwayStorage"],
            path: "Modules/RingwayStack", swiftSettings: settings),
        // The built-in names are internal to their module.
        .target(
            name: "RingwayResolver", dependencies: ["RingwayModel", "RingwaySystem", "RingwayStorage"],
            path: "Modules/RingwayResolver",
            swiftSettings: settings + [.unsafeFlags(["-enable-testing"])]),
        .target(name: "Twin", path: "Twin", cSettings: [.unsafeFlags(["-O2"])]),
        .target(name: "Processors", path: "Processors"),
        .target(
            name: "Workloads",
            dependencies: [
                "RingwayModel", "RingwayWire", "RingwayStorage", "RingwayStack", "RingwayResolver", "Twin",
            ],
            path: "Workloads", swiftSettings: settings),
        .executableTarget(
            name: "count", dependencies: ["Workloads"], path: "Counting", swiftSettings: settings),
        .executableTarget(
            name: "pump", dependencies: ["Workloads", "Processors"], path: "Pump", swiftSettings: settings),
        .executableTarget(
            name: "DataPath",
            dependencies: ["Workloads", .product(name: "Benchmark", package: "benchmark")],
            path: "Benchmarks/DataPath", swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ]
)
