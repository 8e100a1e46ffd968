// swift-tools-version: 6.3
import PackageDescription

// Whoever embeds Ringway has a manifest like this one. Without traits nothing is fetched that only the command needs.
let package = Package(
    name: "embedding",
    dependencies: [
        .package(name: "ringway", path: "../..", traits: [])
    ],
    targets: [
        .testTarget(
            name: "EmbeddingTests",
            dependencies: [.product(name: "Ringway", package: "ringway")],
            path: "EmbeddingTests",
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
            ])
    ]
)
