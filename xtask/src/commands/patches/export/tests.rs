//! Round trips: series, work tree, series.

use std::path::PathBuf;

use super::super::checkout::checkout;
use super::*;
use harness_kernel::series::{COVER_LETTER, Series};
use harness_kernel::testing::{diff, fake_kernel, series_of};
use harness_kernel::tree::Tree;

struct Place {
    dir: tempfile::TempDir,
    tree: Tree,
    base: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (tree, base) = Tree::of_base(&dir.path().join("home"), |new| {
            fake_kernel(new);
            Ok(())
        })
        .unwrap();
        let place = Self { dir, tree, base };
        fs::create_dir(place.folder()).unwrap();
        let series = series_of(&[
            ("bpf-one", &diff("kernel/core.c", "one\ntwo\nthree\n", "ONE\ntwo\nthree\n")),
            ("bpf-two", &diff("kernel/other.c", "other\n", "OTHER\n")),
        ]);
        let mut list = "# why this order\n".to_owned();
        for patch in &series.patches {
            fs::write(place.folder().join(&patch.name), &patch.content).unwrap();
            list += &format!("{}\n", patch.name);
        }
        fs::write(place.folder().join(LIST), list).unwrap();
        fs::write(place.folder().join(COVER_LETTER), "Dear list\n").unwrap();
        place
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("series")
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn checkout(&self) -> Result<usize> {
        checkout(&self.tree, &self.base, &self.folder(), &self.work())
    }

    fn export(&self) -> Written {
        export(&self.work(), &self.base, &self.folder()).unwrap()
    }

    fn commit(&self, subject: &str) {
        Git::at(&self.work()).run(["commit", "-qam", subject]).unwrap();
    }

    fn list(&self) -> String {
        fs::read_to_string(self.folder().join(LIST)).unwrap()
    }
}

#[test]
fn exporting_again_changes_nothing() {
    let place = Place::new();
    assert_eq!(place.checkout().unwrap(), 2);
    // The fake series was not written by git, so the first export may put it in git's form.
    place.export();
    let nothing = Written { unchanged: 2, ..Written::default() };
    assert_eq!(place.export(), nothing);
    // Nor does it after the way through another checkout.
    fs::remove_dir_all(place.work()).unwrap();
    place.checkout().unwrap();
    assert_eq!(place.export(), nothing);
    assert_eq!(place.list(), "# why this order\n0001-bpf-one.patch\n0002-bpf-two.patch\n");
}

#[test]
fn commits_become_patches_and_dropped_ones_go() {
    let place = Place::new();
    place.checkout().unwrap();
    place.export();
    Git::at(&place.work()).run(["reset", "-q", "--hard", "HEAD~1"]).unwrap();
    fs::write(place.work().join("kernel/core.c"), "1\ntwo\nthree\n").unwrap();
    place.commit("bpf: three");
    let written = place.export();
    assert_eq!(written.removed, ["0002-bpf-two.patch"]);
    assert_eq!(written.changed, ["0002-bpf-three.patch", LIST]);
    assert_eq!(place.list(), "# why this order\n0001-bpf-one.patch\n0002-bpf-three.patch\n");
    assert_eq!(fs::read(place.folder().join(COVER_LETTER)).unwrap(), b"Dear list\n");
    let series = Series::load(&place.folder()).unwrap();
    let text = String::from_utf8(series.patches[1].content.clone()).unwrap();
    assert!(text.starts_with("From 0000000000000000000000000000000000000000 "), "{text}");
    assert!(text.contains("Subject: [PATCH] bpf: three\n"), "{text}");
    // And they apply.
    place.tree.apply(&place.base, &series).unwrap();
}

#[test]
fn nothing_that_would_be_lost_is_overwritten() {
    let place = Place::new();
    place.checkout().unwrap();
    place.checkout().unwrap();
    let core = place.work().join("kernel/core.c");
    fs::write(&core, "mine\n").unwrap();
    let error = place.checkout().unwrap_err().to_string();
    assert!(error.contains("not committed") && error.contains("kernel/core.c"), "{error}");
    place.commit("mine");
    let error = place.checkout().unwrap_err().to_string();
    assert!(error.contains("patches export"), "{error}");
    assert_eq!(fs::read(&core).unwrap(), b"mine\n");
    place.export();
    place.checkout().unwrap();
    assert_eq!(fs::read(&core).unwrap(), b"mine\n");
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let place = Place::new();
    fs::create_dir(place.work()).unwrap();
    fs::write(place.work().join("thesis"), "").unwrap();
    let error = place.checkout().unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    let error = export(&place.work(), &place.base, &place.folder()).unwrap_err();
    assert!(error.to_string().contains("patches checkout"), "{error}");
}

#[test]
fn what_is_not_committed_is_not_exported() {
    let place = Place::new();
    place.checkout().unwrap();
    fs::write(place.work().join("kernel/new.c"), "new\n").unwrap();
    let error = export(&place.work(), &place.base, &place.folder()).unwrap_err();
    assert!(error.to_string().contains("kernel/new.c"), "{error}");
}
