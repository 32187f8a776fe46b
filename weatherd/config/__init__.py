"""The configuration: from a TOML file to typed, frozen structs, or to every mistake at once."""
