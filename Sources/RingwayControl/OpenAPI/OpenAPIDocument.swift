/// The OpenAPI 3.0.3 description of the API: the file `openapi.json`, embedded in the module. Tests check it against
/// the routes and the messages.
enum OpenAPIDocument {
    /// The whole document.
    static var text: [UInt8] { PackageResources.openapi_json }
}
