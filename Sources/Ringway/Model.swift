// The nouns of the API: addresses, plan, limits, policy, links. Nothing else of the modules below is an embedder's.
@_exported public import RingwayModel
