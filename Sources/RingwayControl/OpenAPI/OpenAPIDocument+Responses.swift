extension OpenAPIDocument {
    /// The error responses.
    static let responses = #"""
        {
          "Malformed": {
            "description": "Malformed: the error names the key.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
          },
          "NotPermitted": {
            "description": "It takes privilege, or is another's to do.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
          },
          "NotFound": {
            "description": "There is no such thing.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
          },
          "Conflict": {
            "description": "The request conflicts with the network's state: a port is in use, for example.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
          },
          "TooLarge": {
            "description": "The body is too large.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
          }
        }
        """#
}
