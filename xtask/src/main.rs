//! Set-up, checks and tests of the workspace.

fn main() {}
