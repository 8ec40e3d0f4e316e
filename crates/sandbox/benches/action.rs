//! What an action costs in a warm sandbox, against a plain spawn in the same run.

fn main() {}
