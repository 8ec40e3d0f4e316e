//! The hub with a real journal and real views, and a worker that a test plays.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod chats;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod life;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod random;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod world;

/// A file of tests that is not named above is never run.
#[test]
fn no_file_is_forgotten() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".rs");
        assert!(name == "main" || main.contains(&format!("mod {name};")), "{name} is forgotten");
    }
}
