"""Values that a schema of an OpenAPI 3.0 document allows, values that it does not, and whether one does: as much of
the language as the document of the control API uses."""

import random
import re
import string

WORDS = ["", "a", "web", "tcp", "udp", "127.0.0.1", "::1", "10.0.0.256", "52:54:00:00:00:01", "../x", "\0", "é\"\\",
         "%00", "a" * 65, "true", "null", "-1"]


class Document:
    def __init__(self, document, seed):
        self.document = document
        self.random = random.Random(seed)

    def resolve(self, value):
        while "$ref" in value:
            place = self.document
            for part in value["$ref"].lstrip("#/").split("/"):
                place = place[part]
            value = place
        return value

    # Values that are allowed

    def make(self, schema):
        schema = self.resolve(schema)
        if schema.get("nullable") and self.random.random() < 0.2:
            return None
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        return getattr(self, "make_" + schema["type"])(schema)

    def make_integer(self, schema):
        low, high = schema.get("minimum", -2**31), schema.get("maximum", 2**31)
        return self.random.choice([low, high, low + 1, self.random.randint(low, high), self.random.randint(low, high)])

    def make_boolean(self, _):
        return self.random.random() < 0.5

    def make_string(self, schema):
        if "pattern" in schema:
            letters = string.ascii_letters + string.digits + "._-"
            return "".join(self.random.choices(letters, k=self.random.choice([1, 5, 64])))
        if "example" in schema and self.random.random() < 0.7:
            return schema["example"]
        return self.random.choice(WORDS)[: schema.get("maxLength", 256)]

    def make_array(self, schema):
        return [self.make(schema["items"]) for _ in range(self.random.choice([0, 1, 1, 2, 5]))]

    def make_object(self, schema):
        required = schema.get("required", [])
        return {
            key: self.make(value) for key, value in schema.get("properties", {}).items()
            if key in required or self.random.random() < 0.5
        }

    # Values that are not allowed

    def spoil(self, schema, value):
        """Makes one thing about an object wrong; returns it and the key that is at fault."""
        schema = self.resolve(schema)
        properties = schema["properties"]
        kind = self.random.choice(["missing", "unknown", "type", "range", "nested"])
        key = self.random.choice(list(properties))
        inner = self.resolve(properties[key])
        spoiled = dict(value)
        if kind == "missing" and schema.get("required"):
            key = self.random.choice(schema["required"])
            spoiled.pop(key)
        elif kind == "unknown":
            key = "unheardOf"
            spoiled[key] = 1
        elif kind == "range" and "maximum" in inner:
            spoiled[key] = self.random.choice([inner["minimum"] - 1, inner["maximum"] + 1, 2**63, 1.5])
        elif kind == "nested" and inner["type"] == "array" and self.resolve(inner["items"])["type"] == "object":
            element, place = self.spoil(inner["items"], self.make_object(self.resolve(inner["items"])))
            spoiled[key] = [element]
            key = f"{key}[0].{place}"
        else:
            spoiled[key] = self.other_type(inner["type"])
        return spoiled, key

    def other_type(self, kind):
        values = {"integer": 7, "string": "x", "boolean": True, "array": [1], "object": {"a": 1}}
        values.pop(kind)
        return self.random.choice(list(values.values()))

    # Whether a value is allowed

    def faults(self, schema, value, place="body"):
        schema = self.resolve(schema)
        if value is None:
            return [] if schema.get("nullable") else [f"{place} is null"]
        types = {"integer": int, "string": str, "boolean": bool, "array": list, "object": dict}
        wanted = types[schema["type"]]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            return [f"{place} is {value!r}, not {schema['type']}"]
        found = []
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{place} is {value!r}, not of {schema['enum']}")
        if wanted is int and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            found.append(f"{place} is {value}, out of range")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{place} is {value!r}, which does not match {schema['pattern']}")
        if wanted is list:
            for index, element in enumerate(value):
                found += self.faults(schema["items"], element, f"{place}[{index}]")
        if wanted is dict:
            found += self.object_faults(schema, value, place)
        return found

    def object_faults(self, schema, value, place):
        properties, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
        found = [f"{place} has no {key}" for key in schema.get("required", []) if key not in value]
        for key, member in value.items():
            if key in properties:
                found += self.faults(properties[key], member, f"{place}.{key}")
            elif extra is False:
                found.append(f"{place} has {key}, which is not described")
            elif isinstance(extra, dict):
                found += self.faults(extra, member, f"{place}.{key}")
        return found
