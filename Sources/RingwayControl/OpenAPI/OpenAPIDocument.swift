/// The description of the API for client programs (OpenAPI 3.0.3). Tests check it against the routes.
enum OpenAPIDocument {
    /// The whole document.
    static let text = Array(
        """
        {"openapi": "3.0.3", "info": \(info), "servers": \(servers), "paths": \(paths),
        "components": {"responses": \(responses), "schemas": \(schemas)}}

        """.utf8)

    private static let info = #"""
        {
          "title": "Ringway control API", "version": "1", "license": {"name": "Apache 2.0"},
          "description": "Unknown paths and methods are answered with 404 or 405; every error has the same schema."
        }
        """#

    private static let servers = #"""
        [{"url": "http://localhost", "description": "curl --unix-socket PATH http://localhost/v1/status"}]
        """#
}
