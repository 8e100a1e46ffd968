/// The description of the API for client programs (OpenAPI 3.0.3): `openapi.json`, embedded in the module's code; tests
/// check it against the routes and the messages.
enum OpenAPIDocument {
    /// The whole document.
    static var text: [UInt8] { PackageResources.openapi_json }
}
