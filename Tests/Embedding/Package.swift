// swift-tools-version: 6.3
import PackageDescription

// The manifest of an embedder. Without traits, dependencies of the command are not fetched.
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
