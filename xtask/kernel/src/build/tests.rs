//! Builds of a small tree that make takes for a kernel.

use std::path::{Path, PathBuf};
use std::thread;

use super::super::make::MakeFailed;
use super::super::patch::DoesNotApply;
use super::super::testing::{diff, fake_kernel, series_of};
use super::*;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fake_kernel(&dir.path().join("linux"));
        fs::create_dir(dir.path().join("fragments")).unwrap();
        let place = Self { dir };
        place.write("fragments/base.config", "CONFIG_A=y\nCONFIG_TEST_BPF=m\n");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn request(&self) -> KernelRequest {
        KernelRequest {
            base: "7.3.4".into(),
            linux: Some(self.path("linux")),
            selection: None,
            config: vec![],
            series: None,
            cache: Some(self.path("cache")),
            fragments: Some(self.path("fragments")),
            mutant: None,
        }
    }

    fn patched(&self, patches: &[(&str, &str)]) -> KernelRequest {
        let series = Some(series_of(patches));
        KernelRequest { selection: Some(Selection::All), series, ..self.request() }
    }

    /// How often make has built something.
    fn runs(&self) -> usize {
        fn count(dir: &Path) -> usize {
            let mut runs = 0;
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    runs += count(&entry.path());
                } else if entry.file_name() == "runs" {
                    runs += fs::read_to_string(entry.path()).unwrap().lines().count();
                }
            }
            runs
        }
        count(&self.path("cache/kernel"))
    }
}

#[test]
fn nothing_changed_is_no_make() {
    let place = Place::new();
    let first = build(&place.request()).unwrap();
    assert!(!first.from_cache);
    assert_eq!(place.runs(), 1);
    assert_eq!(
        fs::read_to_string(&first.vmlinux).unwrap(),
        "one\ntwo\nthree\nother\n# tiny\nCONFIG_A=y\nCONFIG_TEST_BPF=m\n"
    );
    assert_eq!(first.release, "7.3.4");
    assert_eq!(fs::read(first.test_bpf.as_ref().unwrap()).unwrap(), b"module\n");

    // A make that were called would now fail.
    fs::rename(place.path("cache/kernel"), place.path("moved")).unwrap();
    fs::create_dir_all(place.path("cache/kernel")).unwrap();
    for part in ["builds", "configs"] {
        fs::rename(place.path("moved").join(part), place.path("cache/kernel").join(part)).unwrap();
    }
    let again = build(&place.request()).unwrap();
    assert!(again.from_cache);
    assert_eq!(again.key, first.key);
    assert_eq!(place.runs(), 0);
}

#[test]
fn each_change_is_another_build_and_going_back_is_none() {
    let place = Place::new();
    let first = build(&place.request()).unwrap();
    place.write("linux/kernel/core.c", "changed\n");
    let changed = build(&place.request()).unwrap();
    assert_ne!(changed.key, first.key);
    assert!(fs::read_to_string(&changed.vmlinux).unwrap().starts_with("changed\n"));
    place.write("fragments/base.config", "CONFIG_B=y\n");
    let other = build(&place.request()).unwrap();
    assert_ne!(other.key, changed.key);
    assert_eq!(other.test_bpf, None);
    assert_eq!(place.runs(), 3);
    place.write("linux/kernel/core.c", "one\ntwo\nthree\n");
    place.write("fragments/base.config", "CONFIG_A=y\nCONFIG_TEST_BPF=m\n");
    let back = build(&place.request()).unwrap();
    assert!(back.from_cache && back.key == first.key);
}

#[test]
fn the_users_tree_stays_as_it_is() {
    let place = Place::new();
    let files = |place: &Place| {
        let mut names: Vec<_> = walk(&place.path("linux"));
        names.sort();
        names
    };
    fn walk(dir: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(walk(&path));
            }
            found.push(path);
        }
        found
    }
    let before = files(&place);
    build(&place.request()).unwrap();
    let patch = diff("kernel/other.c", "other\n", "patched\n");
    let built = build(&place.patched(&[("x", &patch)])).unwrap();
    assert_eq!(files(&place), before);
    assert_eq!(fs::read(place.path("linux/kernel/other.c")).unwrap(), b"other\n");
    assert_eq!(built.patches_applied, 1);
    let kernel = fs::read_to_string(&built.vmlinux).unwrap();
    assert!(kernel.starts_with("one\ntwo\nthree\npatched\n"), "{kernel}");

    // What the user changes reaches the copy below the series.
    place.write("linux/kernel/core.c", "mine\n");
    let built = build(&place.patched(&[("x", &patch)])).unwrap();
    let kernel = fs::read_to_string(&built.vmlinux).unwrap();
    assert!(kernel.starts_with("mine\npatched\n"), "{kernel}");
}

#[test]
fn a_patch_that_does_not_apply_stops_the_build() {
    let place = Place::new();
    let good = diff("kernel/other.c", "other\n", "patched\n");
    let bad = diff("kernel/core.c", "uno\n", "dos\n");
    let error = build(&place.patched(&[("good", &good), ("bad", &bad)])).unwrap_err();
    let stop: &DoesNotApply = error.downcast_ref().unwrap();
    assert_eq!(
        (stop.patch.as_str(), stop.failures[0].file.as_str()),
        ("0002-bad.patch", "kernel/core.c")
    );
    assert_eq!(place.runs(), 0);
}

#[test]
fn a_build_that_fails_shows_the_first_error_and_is_not_cached() {
    let place = Place::new();
    place.write("linux/kernel/core.c", "broken\n");
    for _ in 0..2 {
        let error = build(&place.request()).unwrap_err();
        let failed: &MakeFailed = error.downcast_ref().unwrap();
        assert_eq!(failed.error, "kernel/core.c:1:1: error: broken");
        assert!(fs::read_to_string(&failed.log).unwrap().contains("broken"));
        assert!(error.to_string().contains("full log: "), "{error}");
    }
    assert_eq!(place.runs(), 2);
    assert_eq!(fs::read_dir(place.path("cache/kernel/builds")).unwrap().count(), 0);
}

#[test]
fn dropped_options_stop_the_build() {
    let place = Place::new();
    place.write("fragments/base.config", "CONFIG_A=y\nCONFIG_DROPPED=y\n");
    let error = build(&place.request()).unwrap_err();
    assert!(error.downcast_ref::<config::DroppedOptions>().is_some(), "{error:#}");
    assert!(error.to_string().contains("CONFIG_DROPPED: asked for y, got n"), "{error}");
    assert_eq!(place.runs(), 0);
}

#[test]
fn a_damaged_build_is_built_again() {
    let place = Place::new();
    let first = build(&place.request()).unwrap();
    fs::write(&first.vmlinux, "damaged").unwrap();
    let again = build(&place.request()).unwrap();
    assert!(!again.from_cache);
    assert_eq!(again.key, first.key);
    assert!(fs::read_to_string(&again.vmlinux).unwrap().starts_with("one\n"));
}

#[test]
fn two_at_once_build_once() {
    let place = Place::new();
    place.write("linux/kernel/core.c", "slow\n");
    let mut results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..2).map(|_| scope.spawn(|| build(&place.request()).unwrap().from_cache)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    results.sort_unstable();
    assert_eq!(results, [false, true]);
    assert_eq!(place.runs(), 1);
}
