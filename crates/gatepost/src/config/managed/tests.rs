//! What managed settings may say, and whose they must be.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use super::*;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("managed.d")).unwrap();
        for path in [dir.path().to_owned(), dir.path().join("managed.d")] {
            chmod(&path, 0o755);
        }
        Self { dir }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        chmod(&path, 0o644);
        path
    }

    fn read(&self) -> Result<Managed, Failure> {
        let me = self.dir.path().metadata().unwrap().uid();
        Managed::below(self.dir.path(), me)
    }

    fn refused(&self, why: &str, mend: &str) {
        let failure = self.read().unwrap_err();
        assert!(failure.to_string().contains(why), "{failure}");
        assert!(failure.advice().unwrap().contains(mend), "{:?}", failure.advice());
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nothing_is_managed_where_there_is_no_file() {
    let place = Place::new();
    chmod(place.dir.path(), 0o777);
    let managed = place.read().unwrap();
    assert!(!managed.disable_auto && managed.words().is_none());
    assert!(Managed::below(Path::new("/no/such/place"), ROOT).unwrap().files.is_empty());
}

#[test]
fn every_file_adds_to_what_is_decided() {
    let place = Place::new();
    place.write("managed.toml", "disable_bypass = true\n[auto_mode]\nhard_deny = [\"a-b: no\"]\n");
    let rule = "[[rule]]\nrule = 'Bash(cargo publish:*)'\nverdict = 'deny'\nreason = 'no'\n";
    place.write("managed.d/10.toml", &format!("disable_auto = true\n{rule}"));
    place.write("managed.d/20.toml", "disable_auto = false\nonly_managed_rules = true\n");
    place.write("managed.d/30.txt", "is not read");
    let managed = place.read().unwrap();
    assert!(managed.disable_auto && managed.disable_bypass && managed.only_managed_rules);
    assert_eq!((managed.files.len(), managed.rules.len()), (3, 1));
    assert_eq!(managed.prose.hard_deny, ["a-b: no"]);
    let words = managed.words().unwrap();
    assert!(words.contains("auto mode is off") && words.contains("1 rules"), "{words}");
}

#[test]
fn what_others_may_write_decides_nothing() {
    let place = Place::new();
    let path = place.write("managed.toml", "disable_auto = true\n");
    assert!(place.read().unwrap().disable_auto);
    for (path, mode) in [
        (path.as_path(), 0o664),
        (path.as_path(), 0o646),
        (place.dir.path(), 0o777),
        (&place.dir.path().join("managed.d"), 0o775),
    ] {
        let before = path.metadata().unwrap().mode();
        chmod(path, mode);
        place.refused("others than root may write it", "chmod go-w");
        chmod(path, before);
    }
    let me = place.dir.path().metadata().unwrap().uid();
    let other = Managed::below(place.dir.path(), me + 1).unwrap_err();
    assert!(other.advice().unwrap().contains("chown root:root"), "{other}");
}

#[test]
fn a_link_or_a_directory_in_its_place_is_refused_and_not_followed() {
    let place = Place::new();
    let real = place.write("real", "disable_auto = false\n");
    symlink(&real, place.dir.path().join("managed.toml")).unwrap();
    place.refused("cannot be read", "plain file");
    std::fs::remove_file(place.dir.path().join("managed.toml")).unwrap();
    symlink("/nowhere/at/all", place.dir.path().join("managed.toml")).unwrap();
    place.refused("cannot be read", "plain file");
    std::fs::remove_file(place.dir.path().join("managed.toml")).unwrap();
    std::fs::create_dir(place.dir.path().join("managed.toml")).unwrap();
    place.refused("no plain file", "plain file");
}

#[test]
fn what_is_not_understood_is_refused_with_its_line() {
    let place = Place::new();
    for (text, why, mend) in [
        ("\ndisable_atuo = true\n", "managed.toml:2: unknown field `disable_atuo`", "disable_auto"),
        ("disable_auto = \"yes\"\n", "managed.toml:1:", "disable_auto"),
        (
            "disable_auto = true\n[[rule]]\nrule = 'Bsh(x)'\nverdict = 'deny'\nreason = 'x'\n",
            "managed.toml:2: `Bsh` is not a tool",
            "mend the rule",
        ),
    ] {
        place.write("managed.toml", text);
        place.refused(why, mend);
    }
}
