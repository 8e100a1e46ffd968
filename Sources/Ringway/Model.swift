// The types of the API: addresses, plan, limits, policy, links. No other module is re-exported.
@_exported public import RingwayModel
