// Whoever carries frames over a TAP finds it with the other links; the agent, which knows no other, imports it alone.
@_exported public import RingwayTap
