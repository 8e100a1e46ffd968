// Re-exported, so that a user of links finds TAP devices with them; the agent, which uses no other link, imports
// RingwayTap alone.
@_exported public import RingwayTap
