// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// What only the command and its control plane need; an embedder that asks for no traits fetches none of it.
let argumentParser: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["CommandLine"]))
let nio: [Target.Dependency] = ["NIOCore", "NIOPosix", "NIOHTTP1"].map {
    .product(name: $0, package: "swift-nio", condition: .when(traits: ["CommandLine"]))
}

let package = Package(
    name: "ringway",
    products: [
        .library(name: "Ringway", targets: ["Ringway"]),
        .executable(name: "ringway", targets: ["ringway"]),
        .library(name: "RingwayAgentProtocol", targets: ["RingwayAgentProtocol"]),
        .executable(name: "ringway-agent", targets: ["ringway-agent"]),
    ],
    traits: [
        .trait(name: "CommandLine", description: "The `ringway` command and its dependencies."),
        .default(enabledTraits: ["CommandLine"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    ],
    targets: [
        .systemLibrary(name: "CLiburing", pkgConfig: "liburing", providers: [.apt(["liburing-dev"])]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(
            name: "CRingway", dependencies: ["CLiburing"], linkerSettings: [.linkedLibrary("uring")]),
        .target(name: "RingwayModel", swiftSettings: settings),
        .target(name: "RingwayWire", dependencies: ["RingwayModel", "CRingway"], swiftSettings: settings),
        .target(name: "RingwayStorage", dependencies: ["CRingway"], swiftSettings: settings),
        .target(name: "RingwayUsage", swiftSettings: settings),
        .target(
            name: "RingwayStack", dependencies: ["RingwayModel", "RingwayWire", "RingwayStorage"],
            swiftSettings: settings),
        .target(name: "RingwayRing", dependencies: ["RingwaySystem", "CRingway"], swiftSettings: settings),
        .target(
            name: "RingwayReactor", dependencies: ["RingwayRing", "RingwaySystem", "RingwayStorage", "CRingway"],
            swiftSettings: settings),
        .target(
            name: "RingwayCapture", dependencies: ["RingwayModel", "RingwayWire", "CRingway"],
            swiftSettings: settings),
        .target(
            name: "RingwayTap", dependencies: ["RingwayModel", "RingwaySystem", "RingwayWire", "CRingway"],
            swiftSettings: settings),
        .target(name: "RingwaySystem", dependencies: ["RingwayModel", "CRingway"], swiftSettings: settings),
        .target(
            name: "RingwayContainment", dependencies: ["RingwaySystem", "CRingway", "CSeccomp"], swiftSettings: settings
        ),
        .target(name: "RingwayAgentProtocol", dependencies: ["RingwayModel"], swiftSettings: settings),
        .target(
            name: "RingwayRelay", dependencies: ["RingwaySystem", "RingwayAgentProtocol", "CRingway"],
            swiftSettings: settings),
        .target(
            name: "RingwayAgent",
            dependencies: [
                "RingwayAgentProtocol", "RingwayContainment", "RingwayModel", "RingwayRelay", "RingwaySystem",
                "RingwayTap", "RingwayUsage", "CRingway",
            ],
            swiftSettings: settings),
        .target(
            name: "RingwayAgentHost",
            dependencies: [
                "RingwayAgentProtocol", "RingwayModel", "RingwayRelay", "RingwaySystem", "RingwayStorage", "CRingway",
            ],
            swiftSettings: settings),
        .executableTarget(name: "ringway-agent", dependencies: ["RingwayAgent"], swiftSettings: settings),
        .target(
            name: "RingwayLinks",
            dependencies: [
                "RingwayAgentProtocol", "RingwayModel", "RingwayReactor", "RingwayRing", "RingwaySystem",
                "RingwayWire", "RingwayStorage", "CRingway",
            ],
            swiftSettings: settings),
        .target(
            name: "RingwayEngine",
            dependencies: [
                "RingwayModel", "RingwayStack", "RingwayLinks", "RingwayRelay", "RingwaySystem", "RingwayReactor",
                "RingwayRing", "RingwayCapture", "RingwayWire", "RingwayStorage", "CRingway",
            ],
            swiftSettings: settings),
        .target(
            name: "RingwayResolver",
            dependencies: ["RingwayModel", "RingwaySystem", "RingwayStorage"], swiftSettings: settings),
        .target(
            name: "Ringway",
            dependencies: [
                "RingwayModel", "RingwayAgentHost", "RingwayAgentProtocol", "RingwaySystem", "RingwayTap",
                "RingwayEngine", "RingwayResolver", "RingwayCapture", "RingwayWire", "RingwayStack", "RingwayRing",
                "RingwayStorage", "RingwayUsage", "CRingway",
            ],
            swiftSettings: settings),
        .target(
            name: "RingwayControl", dependencies: ["Ringway", "CRingway"] + nio,
            resources: [.embedInCode("OpenAPI/openapi.json")], swiftSettings: settings),
        .target(
            name: "RingwayCommand",
            dependencies: [
                "Ringway", "RingwayContainment", "RingwayControl", "RingwayTap", "RingwaySystem", "RingwayUsage",
                "CRingway", "CYAML", argumentParser,
            ],
            swiftSettings: settings),
        .executableTarget(name: "ringway", dependencies: ["RingwayCommand"], swiftSettings: settings),
        .target(
            name: "RingwaySimulation",
            dependencies: [
                "RingwayEngine", "RingwayModel", "RingwayRing", "RingwayStack", "RingwayStorage", "RingwaySystem",
                "RingwayWire", "CRingway",
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "ringway-simulate", dependencies: ["RingwaySimulation"], swiftSettings: settings),
        // What several test targets share.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "RingwayWireTests", dependencies: ["RingwayModel", "RingwayWire", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "RingwayCaptureTests", dependencies: ["RingwayCapture", "RingwayModel", "RingwayWire"],
            swiftSettings: settings),
        .testTarget(
            name: "RingwayAgentProtocolTests", dependencies: ["RingwayAgentProtocol", "RingwayModel"],
            swiftSettings: settings),
        .testTarget(
            name: "RingwayAgentTests",
            dependencies: [
                "RingwayAgent", "RingwayAgentHost", "RingwayAgentProtocol", "RingwayModel", "RingwaySystem",
            ], swiftSettings: settings),
        .testTarget(
            name: "RingwayRelayTests", dependencies: ["RingwayModel", "RingwayRelay", "RingwaySystem", "CRingway"],
            swiftSettings: settings),
        .testTarget(
            name: "RingwaySystemTests", dependencies: ["RingwayModel", "RingwaySystem", "CRingway", "TestSupport"],
            swiftSettings: settings),
        .target(name: "CSandboxProbe", path: "Tests/CSandboxProbe"),
        .executableTarget(
            name: "sandbox-probe", dependencies: ["RingwayContainment", "RingwaySystem", "CSandboxProbe", "CSeccomp"],
            path: "Tests/SandboxProbe", swiftSettings: settings),
        .testTarget(
            name: "RingwayContainmentTests",
            dependencies: ["RingwayContainment", "RingwaySystem", "CSeccomp", "TestSupport", "sandbox-probe"],
            swiftSettings: settings),
        .testTarget(name: "RingwayUsageTests", dependencies: ["RingwayUsage"], swiftSettings: settings),
        .testTarget(
            name: "RingwayStorageTests", dependencies: ["RingwayStorage", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "RingwayStackTests",
            dependencies: ["RingwayModel", "RingwayStack", "RingwayWire", "RingwayStorage", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "RingwayRingTests",
            dependencies: [
                "RingwayModel", "RingwayReactor", "RingwayRing", "RingwayStorage", "RingwayLinks", "RingwaySystem",
                "RingwayTap", "CRingway", "TestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RingwayLinksTests",
            dependencies: [
                "RingwayLinks", "RingwayModel", "RingwayStorage", "RingwayWire", "CRingway", "TestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RingwayEngineTests",
            dependencies: [
                "RingwayEngine", "RingwayModel", "RingwayStack", "RingwayLinks", "RingwayRelay", "RingwaySystem",
                "RingwayRing", "RingwayReactor", "RingwayStorage", "RingwayWire", "CRingway", "TestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RingwayTests",
            dependencies: [
                "Ringway", "RingwayAgentHost", "RingwayAgentProtocol", "RingwaySystem", "RingwayWire", "CRingway",
            ],
            swiftSettings: settings),
        .testTarget(name: "SimulationTests", dependencies: ["RingwaySimulation"], swiftSettings: settings),
        .testTarget(name: "EndToEndTests", swiftSettings: settings),
        .testTarget(
            name: "RingwayResolverTests", dependencies: ["RingwayModel", "RingwayResolver", "RingwaySystem"],
            swiftSettings: settings),
        .testTarget(
            name: "RingwayControlTests", dependencies: ["RingwayControl", "Ringway", "RingwayStack", "CRingway"] + nio,
            swiftSettings: settings),
        .testTarget(
            name: "RingwayCommandTests",
            dependencies: ["RingwayCommand", "RingwayTap", "Ringway", "CRingway", "ringway"],
            swiftSettings: settings),
    ]
)
