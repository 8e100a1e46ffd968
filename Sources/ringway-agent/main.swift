internal import RingwayAgent

AgentCommand.run()
