extension OpenAPIDocument {
    /// The schemas of requests and responses.
    static let schemas = #"""
        {
          "Error": {
            "type": "object",
            "properties": {
              "error": {
                "type": "object",
                "properties": {
                  "code": {"type": "string", "description": "The code of the error, for a program to read."},
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
          "NewCapture": {
            "type": "object",
            "properties": {
              "file": {
                "type": "string", "pattern": "^/", "minLength": 1, "maxLength": 4095,
                "description": "The pcapng file on the host, from the root."
              },
              "snapLength": {
                "type": "integer", "minimum": 14, "maximum": 262144, "nullable": true,
                "description": "Bytes of each frame that are kept."
              },
              "fileSize": {
                "type": "integer", "format": "int64", "minimum": 1048576, "maximum": 1099511627776, "nullable": true,
                "description": "Bytes after which another file is begun."
              },
              "fileCount": {
                "type": "integer", "minimum": 1, "maximum": 1000, "nullable": true,
                "description": "Files that are kept where fileSize is given; older ones are FILE.1, FILE.2 and so on."
              },
              "filter": {
                "type": "string", "maxLength": 4096, "nullable": true,
                "description": "An expression in tcpdump's language."
              }
            },
            "required": ["file"], "additionalProperties": false
          },
          "Capture": {
            "type": "object",
            "properties": {
              "active": {"type": "boolean", "description": "Whether frames are captured."},
              "file": {"type": "string"}, "snapLength": {"type": "integer", "format": "int64", "minimum": 0},
              "fileSize": {"type": "integer", "format": "int64", "minimum": 0, "nullable": true},
              "fileCount": {"type": "integer", "format": "int64", "minimum": 1},
              "filter": {"type": "string", "nullable": true},
              "startedAt": {"type": "integer", "format": "int64", "description": "Seconds since 1970."},
              "frames": {
                "type": "integer", "format": "int64", "minimum": 0, "description": "Frames that are in the files."
              },
              "dropped": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "Frames that are not, for want of memory or room on the disk."
              },
              "problem": {
                "type": "string", "nullable": true, "description": "Why frames are lost at the moment."
              }
            },
            "required": ["active"], "additionalProperties": false
          },
          "Status": {
            "type": "object",
            "properties": {
              "name": {"type": "string", "description": "The network's name."}, "version": {"type": "string"},
              "kind": {
                "type": "string", "enum": ["run", "attach", "serve"], "description": "The command that keeps it."
              },
              "target": {"type": "string", "description": "What it is for: a command, a namespace or links."},
              "pid": {"type": "integer", "format": "int64", "minimum": 1},
              "startTime": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "Seconds since the epoch at which it was started."
              },
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
              "bounds": {
                "type": "array", "items": {"$ref": "#/components/schemas/Bound"},
                "description": "How much of what is bounded is in use; of each guest's bounds that of the fullest guest."
              },
              "troubles": {
                "type": "array", "items": {"$ref": "#/components/schemas/Trouble"},
                "description": "Drops, denials, failures of names and bounds that were reached, since the start."
              },
              "counters": {"$ref": "#/components/schemas/Counters"}
            },
            "required": [
              "name", "kind", "target", "version", "pid", "startTime", "uptimeSeconds", "network", "isolate", "guests",
              "forwards", "publishedPorts", "flows", "bounds", "troubles", "counters"
            ],
            "additionalProperties": false
          },
          "Bound": {
            "type": "object",
            "properties": {
              "name": {"type": "string", "description": "What is bounded."},
              "scope": {"type": "string", "enum": ["process", "network", "guest"], "description": "Who has it."},
              "inUse": {"type": "integer", "format": "int64", "minimum": 0},
              "limit": {"type": "integer", "format": "int64", "minimum": 0},
              "option": {"type": "string", "description": "What sets the limit."},
              "guest": {"type": "string", "nullable": true, "description": "The guest whose it is."}
            },
            "required": ["name", "scope", "inUse", "limit", "option", "guest"],
            "additionalProperties": false
          },
          "GuestBound": {
            "type": "object",
            "properties": {
              "name": {"type": "string", "description": "What is bounded."},
              "scope": {"type": "string", "enum": ["guest"]},
              "inUse": {"type": "integer", "format": "int64", "minimum": 0},
              "limit": {"type": "integer", "format": "int64", "minimum": 0},
              "option": {"type": "string", "description": "What sets the limit."}
            },
            "required": ["name", "scope", "inUse", "limit", "option"],
            "additionalProperties": false
          },
          "Trouble": {
            "type": "object",
            "properties": {
              "kind": {"type": "string", "enum": ["drop", "denial", "names", "bound"]},
              "counter": {"type": "string", "description": "The counter, one of those in counters."},
              "count": {"type": "integer", "format": "int64", "minimum": 1},
              "what": {"type": "string", "description": "The counted events."},
              "hint": {"type": "string", "description": "The remedy, or where to look."},
              "option": {
                "type": "string", "nullable": true, "description": "The option that raises the bound."
              }
            },
            "required": ["kind", "counter", "count", "what", "hint", "option"],
            "additionalProperties": false
          },
          "Guest": {
            "type": "object",
            "properties": {
              "id": {
                "type": "integer", "format": "int64", "minimum": 1, "description": "Its number; none is given twice."
              },
              "name": {"type": "string", "description": "Other guests find it as NAME.ringway.internal."},
              "claimsName": {"type": "boolean", "description": "Whether its agent has given it the name."},
              "mac": {"type": "string"}, "ipv4": {"type": "string"}, "ipv6": {"type": "string"},
              "link": {"type": "string", "description": "What carries its frames."},
              "flows": {"type": "integer", "format": "int64", "minimum": 0, "description": "Flows of all kinds."},
              "octetsFromGuest": {"type": "integer", "format": "int64", "minimum": 0},
              "octetsToGuest": {"type": "integer", "format": "int64", "minimum": 0}
            },
            "required": [
              "id", "name", "claimsName", "mac", "ipv4", "ipv6", "link", "flows", "octetsFromGuest", "octetsToGuest"
            ],
            "additionalProperties": false
          },
          "GuestDetails": {
            "type": "object",
            "properties": {
              "id": {
                "type": "integer", "format": "int64", "minimum": 1, "description": "Its number; none is given twice."
              },
              "name": {"type": "string", "description": "Other guests find it as NAME.ringway.internal."},
              "claimsName": {"type": "boolean", "description": "Whether its agent has given it the name."},
              "mac": {"type": "string"}, "ipv4": {"type": "string"}, "ipv6": {"type": "string"},
              "link": {"type": "string", "description": "What carries its frames."},
              "flows": {"type": "integer", "format": "int64", "minimum": 0, "description": "Flows of all kinds."},
              "octetsFromGuest": {"type": "integer", "format": "int64", "minimum": 0},
              "octetsToGuest": {"type": "integer", "format": "int64", "minimum": 0},
              "bounds": {"type": "array", "items": {"$ref": "#/components/schemas/GuestBound"}},
              "counters": {"$ref": "#/components/schemas/Counters"}
            },
            "required": [
              "id", "name", "claimsName", "mac", "ipv4", "ipv6", "link", "flows", "octetsFromGuest", "octetsToGuest",
              "bounds", "counters"
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
              "guest": {
                "type": "integer", "format": "int64", "minimum": 1,
                "description": "The guest's number; null for an agent that carries no frames.", "nullable": true
              },
              "transport": {"type": "string", "enum": ["tcp", "udp", "icmp"]},
              "openedBy": {"type": "string", "enum": ["guest", "host"]},
              "guestAddress": {
                "type": "string",
                "description": "The guest's address and port, or unix:PATH for a socket that its agent dialled; null \#
        for a program of the guest's that uses a socket of the host's.",
                "nullable": true
              },
              "remoteAddress": {
                "type": "string",
                "description": "Whom the guest speaks to, unix:PATH for a socket of the host's; null for a UDP port \#
        or a ping, which speak to anybody.",
                "nullable": true
              },
              "hostAddress": {
                "type": "string",
                "description": "Where the host's socket is connected to, or the client of a published port.",
                "nullable": true
              },
              "forward": {
                "type": "integer", "format": "int64", "minimum": 1,
                "description": "The forward by which it came, of a flow through an agent.", "nullable": true
              },
              "state": {
                "type": "string", "description": "Where a TCP connection stands; established for everything else."
              },
              "spliced": {
                "type": "boolean", "description": "Whether it goes around the link, by a socket inside the guest."
              },
              "octetsFromGuest": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "Bytes of payload; counted for TCP only."
              },
              "octetsToGuest": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "Bytes of payload; counted for TCP only."
              },
              "idleMilliseconds": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "How long the guest has been silent."
              }
            },
            "required": [
              "guest", "transport", "openedBy", "guestAddress", "remoteAddress", "hostAddress", "forward", "state",
              "spliced", "octetsFromGuest", "octetsToGuest", "idleMilliseconds"
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
          \#(forwardSchemas),
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
              "present": {"type": "boolean", "description": "The guest is attached."},
              "link": {"type": "string", "nullable": true, "description": "The one link by which the guest comes."}
            },
            "required": ["mac", "ipv4", "ipv6", "name", "static", "present", "link"], "additionalProperties": false
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
