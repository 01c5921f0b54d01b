"""The demonstration: a recording into the whole chain; what comes out, kept and measured."""
