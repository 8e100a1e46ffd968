extension OpenAPIDocument {
    /// The operations.
    static let paths = #"""
        {
          "/openapi.json": {
            "get": {
              "operationId": "document", "summary": "This document.",
              "responses": {
                "200": {
                  "description": "The document.", "content": {"application/json": {"schema": {"type": "object"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/metrics": {
            "get": {
              "operationId": "metrics", "summary": "The counters for Prometheus.",
              "responses": {
                "200": {
                  "description": "Text format 0.0.4.", "content": {"text/plain": {"schema": {"type": "string"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/v1/status": {
            "get": {
              "operationId": "status", "summary": "The network and its counters.",
              "responses": {
                "200": {
                  "description": "The network.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/v1/guests": {
            "get": {
              "operationId": "guests", "summary": "The attached guests.",
              "responses": {
                "200": {
                  "description": "The guests.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Guests"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/v1/guests/{id}": {
            "get": {
              "operationId": "guest", "summary": "One guest and its counters.",
              "parameters": [
                {
                  "name": "id", "in": "path", "required": true, "description": "The guest's number.",
                  "schema": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 4294967295}
                }
              ],
              "responses": {
                "200": {
                  "description": "The guest.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/GuestDetails"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"},
                "404": {"$ref": "#/components/responses/NotFound"}
              }
            },
            "delete": {
              "operationId": "detachGuest",
              "summary": "Detaches a guest: its flows end with RST on the host, its address is kept for it.",
              "parameters": [
                {
                  "name": "id", "in": "path", "required": true, "description": "The guest's number.",
                  "schema": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 4294967295}
                }
              ],
              "responses": {
                "204": {"description": "Done."}, "400": {"$ref": "#/components/responses/Malformed"},
                "404": {"$ref": "#/components/responses/NotFound"}
              }
            }
          },
          "/v1/flows": {
            "get": {
              "operationId": "flows", "summary": "The current flows.",
              "parameters": [
                {
                  "name": "limit", "in": "query", "description": "The most that are wanted.",
                  "schema": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 1000}
                },
                {
                  "name": "guest", "in": "query", "description": "The number of the guest whose flows are wanted.",
                  "schema": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 4294967295}
                }
              ],
              "responses": {
                "200": {
                  "description": "The flows.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Flows"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/v1/forwards": {
            "get": {
              "operationId": "forwards", "summary": "The published ports and sockets.",
              "responses": {
                "200": {
                  "description": "The forwards.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Forwards"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            },
            "post": {
              "operationId": "publish", "summary": "Publishes ports: all of a range, or none of it.",
              "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewForward"}}}
              },
              "responses": {
                "201": {
                  "description": "The forward, with the port that was chosen.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Forward"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"},
                "403": {"$ref": "#/components/responses/NotPermitted"},
                "409": {"$ref": "#/components/responses/Conflict"}, "413": {"$ref": "#/components/responses/TooLarge"}
              }
            },
            "put": {
              "operationId": "setForwards",
              "summary": "Publishes these ports, and removes others of the same owner; existing ones are left \#
        alone. All of it or nothing.",
              "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ForwardSet"}}}
              },
              "responses": {
                "200": {
                  "description": "The changes.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ForwardChanges"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"},
                "403": {"$ref": "#/components/responses/NotPermitted"},
                "409": {"$ref": "#/components/responses/Conflict"}, "413": {"$ref": "#/components/responses/TooLarge"}
              }
            }
          },
          "/v1/forwards/{id}": {
            "get": {
              "operationId": "forward", "summary": "One forward.",
              "parameters": [
                {
                  "name": "id", "in": "path", "required": true, "description": "The forward's number.",
                  "schema": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 4294967295}
                }
              ],
              "responses": {
                "200": {
                  "description": "The forward.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Forward"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"},
                "404": {"$ref": "#/components/responses/NotFound"}
              }
            },
            "delete": {
              "operationId": "unpublish",
              "summary": "Removes a forward. Its ports are free when the response is sent; connections that came \#
        through it live on. A port that an agent has published, or that follows a guest's, is not permitted.",
              "parameters": [
                {
                  "name": "id", "in": "path", "required": true, "description": "The forward's number.",
                  "schema": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 4294967295}
                }
              ],
              "responses": {
                "204": {"description": "Done."}, "400": {"$ref": "#/components/responses/Malformed"},
                "403": {"$ref": "#/components/responses/NotPermitted"},
                "404": {"$ref": "#/components/responses/NotFound"}
              }
            }
          },
          "/v1/owners": {
            "get": {
              "operationId": "owners", "summary": "The owners of published ports.",
              "responses": {
                "200": {
                  "description": "The owners.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Owners"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/v1/owners/{owner}": {
            "put": {
              "operationId": "holdOwner",
              "summary": "Removes the forwards of an owner unless this request is repeated in time.",
              "parameters": [
                {
                  "name": "owner", "in": "path", "required": true, "description": "Who publishes.",
                  "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
                }
              ],
              "requestBody": {
                "required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Lease"}}}
              },
              "responses": {
                "204": {"description": "Done."}, "400": {"$ref": "#/components/responses/Malformed"},
                "404": {"$ref": "#/components/responses/NotFound"},
                "409": {"$ref": "#/components/responses/Conflict"}, "413": {"$ref": "#/components/responses/TooLarge"}
              }
            },
            "delete": {
              "operationId": "dropOwner", "summary": "Removes the forwards of an owner.",
              "parameters": [
                {
                  "name": "owner", "in": "path", "required": true, "description": "Who publishes.",
                  "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
                }
              ],
              "responses": {
                "204": {"description": "Done."}, "400": {"$ref": "#/components/responses/Malformed"},
                "404": {"$ref": "#/components/responses/NotFound"}, "409": {"$ref": "#/components/responses/Conflict"}
              }
            }
          },
          "/v1/leases": {
            "get": {
              "operationId": "leases", "summary": "The addresses of the guests.",
              "responses": {
                "200": {
                  "description": "The leases.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AddressLeases"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/v1/names": {
            "get": {
              "operationId": "names",
              "summary": "The names that guests can resolve, besides those of the host's nameservers.",
              "responses": {
                "200": {
                  "description": "The names.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Names"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/v1/events": {
            "get": {
              "operationId": "events",
              "summary": "The network's events, as server-sent events, from now on. A reader that is too slow loses \#
        events and is told how many by an event named lost.",
              "responses": {
                "200": {
                  "description": "Events without end.",
                  "content": {"text/event-stream": {"schema": {"type": "string"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          },
          "/v1/capture": {
            "get": {
              "operationId": "capture", "summary": "The capture of frames, if there is one.",
              "responses": {
                "200": {
                  "description": "The capture.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Capture"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            },
            "put": {
              "operationId": "startCapture",
              "summary": "Writes the frames of all guests to a file of the host, until it is stopped.",
              "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewCapture"}}}
              },
              "responses": {
                "200": {
                  "description": "The capture.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Capture"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"},
                "409": {"$ref": "#/components/responses/Conflict"}, "413": {"$ref": "#/components/responses/TooLarge"}
              }
            },
            "delete": {
              "operationId": "stopCapture", "summary": "Ends the capture. The file is then complete.",
              "responses": {
                "200": {
                  "description": "The capture that has ended.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Capture"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"},
                "404": {"$ref": "#/components/responses/NotFound"}
              }
            }
          },
          "/v1/diagnostics": {
            "get": {
              "operationId": "diagnostics",
              "summary": "What a report of a problem needs; it contains no secrets.",
              "responses": {
                "200": {
                  "description": "The bundle.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Diagnostics"}}}
                },
                "400": {"$ref": "#/components/responses/Malformed"}
              }
            }
          }
        }
        """#
}
