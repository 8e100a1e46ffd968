internal import ArgumentParser
internal import Ringway

/// The keys `agent-token`, `trust-agent-names`, `agent-publish`, `agent-socket`, `forward` and `follow-ports`, which
/// have the same effect as the options of these names.
enum AgentKeys {
    static func read(
        _ members: [String: ConfigurationNode], into order: inout NetworkOrder
    ) throws(CommandFailure) {
        if let token = members["agent-token"] {
            order.configuration.agentToken = try AgentOptions.token(in: token.value(OptionValue.file))
        }
        if let trust = members["trust-agent-names"] { order.configuration.trustsAgentNames = try trust.boolean() }
        if let publishing = members["agent-publish"] {
            var all: [AgentPublishing] = []
            for element in try publishing.elements() { all.append(try element.value(OptionValue.agentPublishing)) }
            order.configuration.agentPublishing = AgentOptions.merged(all)
        }
        if let sockets = members["agent-socket"] {
            order.configuration.agentSockets = [:]
            for element in try sockets.elements() {
                let socket = try element.value(AgentOptions.socket)
                order.configuration.agentSockets[socket.name] = socket.path
            }
        }
        if let forwards = members["forward"] {
            order.agentForwards = []
            for element in try forwards.elements() {
                order.agentForwards.append(try element.value(AgentForwardSpecification.parse))
            }
        }
        if let follow = members["follow-ports"] {
            order.configuration.followsListeningPorts = try follow.boolean()
        }
    }
}
