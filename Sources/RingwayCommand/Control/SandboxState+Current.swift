internal import RingwayContainment
internal import RingwayControl

extension SandboxState {
    /// The sandbox of this process.
    static var current: SandboxState {
        let layers = Containment.layers
        return SandboxState(
            mode: Containment.mode.rawValue, layers: layers.filter { $0.obstacle == nil }.map(\.name),
            missing: layers.compactMap { layer in layer.obstacle.map { Missing(layer: layer.name, reason: $0) } })
    }
}
