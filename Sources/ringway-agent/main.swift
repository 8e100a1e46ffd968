internal import RingwayAgent

AgentCommand.run(CommandLine.arguments)
