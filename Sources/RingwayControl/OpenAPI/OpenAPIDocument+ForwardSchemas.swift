extension OpenAPIDocument {
    /// Schemas of requests and responses about published ports: members of the object of all schemas.
    static let forwardSchemas = #"""
          "NewForward": {
            "type": "object",
            "properties": {
              "transport": {
                "type": "string", "description": "Which protocol.", "enum": ["tcp", "udp"], "default": "tcp"
              },
              "hostAddress": {
                "type": "string",
                "description": "The host's address to listen on, of either family; null or absent for all of them.",
                "nullable": true, "maxLength": 64, "example": "127.0.0.1"
              },
              "hostPort": {
                "type": "integer", "format": "int64", "minimum": 0, "maximum": 65535,
                "description": "The first port of the host; 0 for free ports, which the response names."
              },
              "hostPortEnd": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "If given, one free port from hostPort to this one is chosen for the single guest port."
              },
              "guestPort": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The first port of the guest."
              },
              "count": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The number of consecutive ports.", "default": 1
              },
              "guest": {
                "type": "string",
                "description": "A guest's name, IPv4 address or ethernet address; null or absent for the guest \#
        that has been attached for longest. It need not be there yet.",
                "nullable": true, "maxLength": 64, "example": "web"
              },
              "owner": {
                "type": "string", "description": "The owner. A set replaces the ports of its own owner only.",
                "pattern": "^[A-Za-z0-9._-]{1,64}$", "default": "api"
              }
            },
            "required": ["hostPort", "guestPort"], "additionalProperties": false
          },
          "WantedForward": {
            "type": "object",
            "properties": {
              "transport": {
                "type": "string", "description": "Which protocol.", "enum": ["tcp", "udp"], "default": "tcp"
              },
              "hostAddress": {
                "type": "string",
                "description": "The host's address to listen on, of either family; null or absent for all of them.",
                "nullable": true, "maxLength": 64, "example": "127.0.0.1"
              },
              "hostPort": {
                "type": "integer", "format": "int64", "minimum": 0, "maximum": 65535,
                "description": "The first port of the host; 0 for free ports. The ports chosen for the same \#
        request is kept."
              },
              "hostPortEnd": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "If given, one free port from hostPort to this one is chosen for the single guest port."
              },
              "guestPort": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The first port of the guest."
              },
              "count": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The number of consecutive ports.", "default": 1
              },
              "guest": {
                "type": "string",
                "description": "A guest's name, IPv4 address or ethernet address; null or absent for the guest \#
        that has been attached for longest. It need not be there yet.",
                "nullable": true, "maxLength": 64, "example": "web"
              }
            },
            "required": ["hostPort", "guestPort"], "additionalProperties": false
          },
          "Forward": {
            "type": "object",
            "properties": {
              "id": {
                "type": "integer", "format": "int64", "minimum": 1, "description": "Its number; none is given twice."
              },
              "kind": {
                "type": "string",
                "description": "port: a published port. forward: --forward. agent: a port that a guest's agent has \#
        published, as Docker's proxy. follow: --follow-ports.",
                "enum": ["port", "forward", "agent", "follow"]
              },
              "transport": {
                "type": "string", "description": "How clients come; unix only by an agent.",
                "enum": ["tcp", "udp", "unix"]
              },
              "hostAddress": {"type": "string", "nullable": true},
              "hostPort": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The first port of the host; null for a unix socket.", "nullable": true
              },
              "guestPort": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The first port of the guest; null for a unix socket.", "nullable": true
              },
              "count": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535, "description": "How many ports."
              },
              "path": {
                "type": "string", "description": "The host's unix socket; null for ports.", "nullable": true
              },
              "target": {
                "type": "string",
                "description": "The server as the guest's agent dials it: tcp:IP:PORT, udp:IP:PORT or unix:PATH, and \#
        @NAMESPACE where it is in another; null for a published port.",
                "nullable": true
              },
              "guest": {
                "type": "string", "description": "Which guest is meant; null for the one attached for longest.",
                "nullable": true
              },
              "requested": {
                "type": "string", "description": "What was asked for, where the host's ports were chosen, as --publish \#
        has it.",
                "nullable": true, "example": "80/tcp"
              },
              "guestId": {
                "type": "integer", "format": "int64", "minimum": 1,
                "description": "The guest that the ports are currently forwarded to.", "nullable": true
              },
              "state": {
                "type": "string",
                "description": "active: the guest is connected. waiting: the guest is not connected, clients are \#
        refused. failed: the ports could not be bound, which is tried again.",
                "enum": ["active", "waiting", "failed"]
              },
              "problem": {"type": "string", "description": "Why the ports could not be bound.", "nullable": true},
              "owner": {
                "type": "string",
                "description": "The owner; empty for the command line and the configuration, \#
        agent:NAME for the guest's agent."
              }
            },
            "required": [
              "id", "kind", "transport", "hostAddress", "hostPort", "guestPort", "count", "path", "target", "guest",
              "requested", "guestId", "state", "problem", "owner"
            ],
            "additionalProperties": false
          },
          "Forwards": {
            "type": "object",
            "properties": {"forwards": {"type": "array", "items": {"$ref": "#/components/schemas/Forward"}}},
            "required": ["forwards"], "additionalProperties": false
          },
          "ForwardSet": {
            "type": "object",
            "properties": {
              "owner": {
                "type": "string", "description": "The owner. A set replaces the ports of its own owner only.",
                "pattern": "^[A-Za-z0-9._-]{1,64}$", "default": "api"
              },
              "forwards": {
                "type": "array", "items": {"$ref": "#/components/schemas/WantedForward"}, "maxItems": 65536
              }
            },
            "required": ["forwards"], "additionalProperties": false
          },
          "ForwardChanges": {
            "type": "object",
            "properties": {
              "added": {"type": "array", "items": {"$ref": "#/components/schemas/Forward"}},
              "removed": {"type": "array", "items": {"$ref": "#/components/schemas/Forward"}},
              "kept": {"type": "array", "items": {"$ref": "#/components/schemas/Forward"}}
            },
            "required": ["added", "removed", "kept"], "additionalProperties": false
          },
          "Owner": {
            "type": "object",
            "properties": {
              "owner": {"type": "string"},
              "forwards": {
                "type": "integer", "format": "int64", "minimum": 0, "description": "How many forwards it has."
              },
              "secondsLeft": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "Until its forwards are removed; null for never.", "nullable": true
              }
            },
            "required": ["owner", "forwards", "secondsLeft"], "additionalProperties": false
          },
          "Owners": {
            "type": "object",
            "properties": {"owners": {"type": "array", "items": {"$ref": "#/components/schemas/Owner"}}},
            "required": ["owners"], "additionalProperties": false
          }
        """#
}
