extension OpenAPIDocument {
    /// What requests and answers look like.
    static let schemas = #"""
        {
          "Error": {
            "type": "object",
            "properties": {
              "error": {
                "type": "object",
                "properties": {
                  "code": {"type": "string", "description": "What sort of reason it is, for a program to read."},
                  "message": {"type": "string", "description": "One line for a person."},
                  "key": {
                    "type": "string", "description": "The key of the body or the query that is at fault.",
                    "nullable": true
                  }
                },
                "required": ["code", "message", "key"], "additionalProperties": false
              }
            },
            "required": ["error"], "additionalProperties": false
          },
          "Counters": {
            "type": "object", "description": "Every counter by name.",
            "additionalProperties": {"type": "integer", "format": "int64"}
          },
          "Status": {
            "type": "object",
            "properties": {
              "name": {"type": "string", "description": "The network's name."}, "version": {"type": "string"},
              "pid": {"type": "integer", "format": "int64", "minimum": 1},
              "uptimeSeconds": {"type": "integer", "format": "int64", "minimum": 0},
              "network": {
                "type": "object",
                "properties": {
                  "ipv4": {"type": "string"}, "ipv6": {"type": "string"},
                  "mtu": {"type": "integer", "format": "int64", "minimum": 0}, "gatewayIPv4": {"type": "string"},
                  "gatewayIPv6": {"type": "string"}, "hostIPv4": {"type": "string"}, "hostIPv6": {"type": "string"}
                },
                "required": ["ipv4", "ipv6", "mtu", "gatewayIPv4", "gatewayIPv6", "hostIPv4", "hostIPv6"],
                "additionalProperties": false
              },
              "isolate": {"type": "boolean", "description": "Whether guests are kept from each other."},
              "guests": {"type": "integer", "format": "int64", "minimum": 0},
              "forwards": {"type": "integer", "format": "int64", "minimum": 0},
              "publishedPorts": {"type": "integer", "format": "int64", "minimum": 0},
              "flows": {"type": "integer", "format": "int64", "minimum": 0},
              "counters": {"$ref": "#/components/schemas/Counters"}
            },
            "required": [
              "name", "version", "pid", "uptimeSeconds", "network", "isolate", "guests", "forwards", "publishedPorts",
              "flows", "counters"
            ],
            "additionalProperties": false
          },
          "Guest": {
            "type": "object",
            "properties": {
              "id": {
                "type": "integer", "format": "int64", "minimum": 1, "description": "Its number; none is given twice."
              },
              "name": {"type": "string", "description": "Other guests find it as NAME.ringway.internal."},
              "mac": {"type": "string"}, "ipv4": {"type": "string"}, "ipv6": {"type": "string"},
              "link": {"type": "string", "description": "What carries its frames."},
              "flows": {"type": "integer", "format": "int64", "minimum": 0, "description": "Flows of all kinds."},
              "octetsFromGuest": {"type": "integer", "format": "int64", "minimum": 0},
              "octetsToGuest": {"type": "integer", "format": "int64", "minimum": 0}
            },
            "required": ["id", "name", "mac", "ipv4", "ipv6", "link", "flows", "octetsFromGuest", "octetsToGuest"],
            "additionalProperties": false
          },
          "GuestDetails": {
            "type": "object",
            "properties": {
              "id": {
                "type": "integer", "format": "int64", "minimum": 1, "description": "Its number; none is given twice."
              },
              "name": {"type": "string", "description": "Other guests find it as NAME.ringway.internal."},
              "mac": {"type": "string"}, "ipv4": {"type": "string"}, "ipv6": {"type": "string"},
              "link": {"type": "string", "description": "What carries its frames."},
              "flows": {"type": "integer", "format": "int64", "minimum": 0, "description": "Flows of all kinds."},
              "octetsFromGuest": {"type": "integer", "format": "int64", "minimum": 0},
              "octetsToGuest": {"type": "integer", "format": "int64", "minimum": 0},
              "counters": {"$ref": "#/components/schemas/Counters"}
            },
            "required": [
              "id", "name", "mac", "ipv4", "ipv6", "link", "flows", "octetsFromGuest", "octetsToGuest", "counters"
            ],
            "additionalProperties": false
          },
          "Guests": {
            "type": "object",
            "properties": {"guests": {"type": "array", "items": {"$ref": "#/components/schemas/Guest"}}},
            "required": ["guests"], "additionalProperties": false
          },
          "Flow": {
            "type": "object",
            "properties": {
              "guest": {"type": "integer", "format": "int64", "minimum": 1, "description": "The guest's number."},
              "transport": {"type": "string", "enum": ["tcp", "udp", "icmp"]},
              "openedBy": {"type": "string", "enum": ["guest", "host"]},
              "guestAddress": {"type": "string", "description": "The guest's address and port."},
              "remoteAddress": {
                "type": "string",
                "description": "Whom the guest speaks to; null for a UDP port or a ping, which speak to anybody.",
                "nullable": true
              },
              "hostAddress": {
                "type": "string",
                "description": "Where the host's socket is connected to, or the client of a published port.",
                "nullable": true
              },
              "state": {
                "type": "string", "description": "Where a TCP connection stands; established for everything else."
              },
              "spliced": {
                "type": "boolean", "description": "Whether it goes around the link, by a socket inside the guest."
              },
              "octetsFromGuest": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "Octets of payload; counted for TCP only."
              },
              "octetsToGuest": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "Octets of payload; counted for TCP only."
              },
              "idleMilliseconds": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "How long the guest has been silent."
              }
            },
            "required": [
              "guest", "transport", "openedBy", "guestAddress", "remoteAddress", "hostAddress", "state", "spliced",
              "octetsFromGuest", "octetsToGuest", "idleMilliseconds"
            ],
            "additionalProperties": false
          },
          "Flows": {
            "type": "object",
            "properties": {
              "flows": {"type": "array", "items": {"$ref": "#/components/schemas/Flow"}},
              "complete": {"type": "boolean", "description": "Whether these are all there were."}
            },
            "required": ["flows", "complete"], "additionalProperties": false
          },
          "NewForward": {
            "type": "object",
            "properties": {
              "transport": {
                "type": "string", "description": "Which protocol.", "enum": ["tcp", "udp"], "default": "tcp"
              },
              "hostAddress": {
                "type": "string",
                "description": "The host's address to listen at, of either family; null or absent for all of them.",
                "nullable": true, "maxLength": 64, "example": "127.0.0.1"
              },
              "hostPort": {
                "type": "integer", "format": "int64", "minimum": 0, "maximum": 65535,
                "description": "The first port of the host; 0 for ports that are free, which the answer names."
              },
              "hostPortEnd": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "With it one free port from hostPort to here is chosen for the one guest port."
              },
              "guestPort": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The first port of the guest."
              },
              "count": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "How many ports, one after the other.", "default": 1
              },
              "guest": {
                "type": "string",
                "description": "A guest's name, IPv4 address or ethernet address; null or absent for the guest \#
        that has been attached for longest. It need not be there yet.",
                "nullable": true, "maxLength": 64, "example": "web"
              },
              "owner": {
                "type": "string", "description": "Who publishes. A set replaces the ports of its own owner only.",
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
                "description": "The host's address to listen at, of either family; null or absent for all of them.",
                "nullable": true, "maxLength": 64, "example": "127.0.0.1"
              },
              "hostPort": {
                "type": "integer", "format": "int64", "minimum": 0, "maximum": 65535,
                "description": "The first port of the host; 0 for ports that are free. What was chosen for the same \#
        request is kept."
              },
              "hostPortEnd": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "With it one free port from hostPort to here is chosen for the one guest port."
              },
              "guestPort": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The first port of the guest."
              },
              "count": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "How many ports, one after the other.", "default": 1
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
              "transport": {"type": "string", "enum": ["tcp", "udp"]},
              "hostAddress": {"type": "string", "nullable": true},
              "hostPort": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The first port of the host."
              },
              "guestPort": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535,
                "description": "The first port of the guest."
              },
              "count": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535, "description": "How many ports."
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
                "description": "The guest that the ports lead to now.", "nullable": true
              },
              "state": {
                "type": "string",
                "description": "active: the ports lead to the guest. waiting: the guest is away, TCP clients are \#
        refused. failed: the guest is there, but the ports could not be had.",
                "enum": ["active", "waiting", "failed"]
              },
              "problem": {"type": "string", "description": "Why the ports could not be had.", "nullable": true},
              "owner": {
                "type": "string",
                "description": "Who has published them; empty for the command line and the configuration."
              }
            },
            "required": [
              "id", "transport", "hostAddress", "hostPort", "guestPort", "count", "guest", "requested", "guestId",
              "state", "problem", "owner"
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
                "type": "string", "description": "Who publishes. A set replaces the ports of its own owner only.",
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
          },
          "Lease": {
            "type": "object",
            "properties": {
              "seconds": {
                "type": "integer", "format": "int64", "minimum": 1, "maximum": 86400, "description": "Seconds."
              }
            },
            "required": ["seconds"], "additionalProperties": false
          },
          "AddressLease": {
            "type": "object",
            "properties": {
              "mac": {"type": "string"}, "ipv4": {"type": "string"}, "ipv6": {"type": "string"},
              "name": {"type": "string"},
              "static": {"type": "boolean", "description": "Settled in the configuration."},
              "present": {"type": "boolean", "description": "The guest is attached."}
            },
            "required": ["mac", "ipv4", "ipv6", "name", "static", "present"], "additionalProperties": false
          },
          "AddressLeases": {
            "type": "object",
            "properties": {"leases": {"type": "array", "items": {"$ref": "#/components/schemas/AddressLease"}}},
            "required": ["leases"], "additionalProperties": false
          },
          "Name": {
            "type": "object",
            "properties": {
              "name": {"type": "string"}, "ipv4": {"type": "string", "nullable": true},
              "ipv6": {"type": "string", "nullable": true}
            },
            "required": ["name", "ipv4", "ipv6"], "additionalProperties": false
          },
          "Names": {
            "type": "object",
            "properties": {"names": {"type": "array", "items": {"$ref": "#/components/schemas/Name"}}},
            "required": ["names"], "additionalProperties": false
          },
          "Diagnostics": {
            "type": "object",
            "properties": {
              "takenAt": {"type": "integer", "format": "int64", "minimum": 0, "description": "Seconds since 1970."},
              "status": {"$ref": "#/components/schemas/Status"}, "configuration": {"type": "object"},
              "kernel": {"type": "object"},
              "guests": {"type": "array", "items": {"$ref": "#/components/schemas/GuestDetails"}},
              "forwards": {"type": "array", "items": {"$ref": "#/components/schemas/Forward"}},
              "leases": {"type": "array", "items": {"$ref": "#/components/schemas/AddressLease"}},
              "names": {"type": "array", "items": {"$ref": "#/components/schemas/Name"}},
              "events": {"type": "array", "description": "The last events, as lines.", "items": {"type": "string"}}
            },
            "required": [
              "takenAt", "status", "configuration", "kernel", "guests", "forwards", "leases", "names", "events"
            ],
            "additionalProperties": false
          }
        }
        """#
}
