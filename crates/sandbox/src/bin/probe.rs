//! Stands in for the `gatepost` program in tests and benches: launcher and init under their
//! names, otherwise nothing.

fn main() {
    gatepost_sandbox::run_if_init();
}
