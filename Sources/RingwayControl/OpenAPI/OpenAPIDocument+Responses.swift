extension OpenAPIDocument {
    /// The error responses.
    static let responses = #"""
        {
          "Malformed": {
            "description": "Malformed: the error names the key.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
          },
          "NotPermitted": {
            "description": "The request needs privilege, or concerns another owner's forward.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
          },
          "NotFound": {
            "description": "The object does not exist.",
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
