//! Tests of the order of places and of the cache, against a local server.

use std::fs::File;
use std::time::UNIX_EPOCH;

use super::test_server::{Answer, Server, options, part, reply, whole};
use super::*;

/// What stands for a tarball, and its digest (`printf 0123456789 | sha256sum`).
const TARBALL: &str = "0123456789";
const DIGEST: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
const OTHER: &str = "703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3";

struct Setup {
    server: Server,
    cache: tempfile::TempDir,
    base: Base,
}

impl Setup {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let server = Server::start(answers);
        let base = Base { name: "1.2".into(), series: "1".into(), places: Vec::new() };
        Self { server, cache: tempfile::tempdir().unwrap(), base }
    }

    /// A further place: with a listing at `sums`, or with a digest.
    fn place(mut self, file: &str, sha256: Option<&str>) -> Self {
        let sha256 = sha256.map(|digest| digest.parse().unwrap());
        let (url, sums) = (self.server.url(file), self.server.url("sums"));
        self.base.places.push(Place::KernelOrg { url, sums: Some(sums), sha256 });
        self
    }

    fn obtain(&self) -> Result<Tarball> {
        obtain_with(&self.base, self.cache.path(), &options())
    }

    /// The names of the files in the cache, in order.
    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.cache.path().join("source")).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn sums(digest: &str) -> Answer {
    whole(&format!("{digest}  a.tar.xz\n"))
}

#[test]
fn the_listings_digest_is_checked_and_the_cache_answers_from_then_on() {
    let setup = Setup::new([sums(DIGEST), whole(TARBALL)]).place("a.tar.xz", None);
    let tarball = setup.obtain().unwrap();
    assert_eq!(fs::read_to_string(&tarball.path).unwrap(), TARBALL);
    assert_eq!((tarball.sha256.to_string().as_str(), tarball.form), (DIGEST, Form::KernelOrg));
    assert_eq!(setup.files(), ["a.tar.xz", "a.tar.xz.checked.json", "lock"]);
    assert_eq!(setup.obtain().unwrap(), tarball);
    assert_eq!(setup.server.requests().len(), 2);
}

#[test]
fn a_digest_in_bases_toml_wins_over_the_listing() {
    let setup = Setup::new([whole(TARBALL)]).place("a.tar.xz", Some(DIGEST));
    setup.obtain().unwrap();
    assert!(setup.server.requests()[0].starts_with("get /a.tar.xz "));
}

#[test]
fn a_wrong_digest_names_the_file_and_both_digests_and_leaves_nothing() {
    let setup = Setup::new([sums(OTHER), whole(TARBALL)]).place("a.tar.xz", None);
    let error = setup.obtain().unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Stop::HostLacks(_))));
    let error = error.to_string();
    assert!(error.contains("a.tar.xz.part"), "{error}");
    assert!(error.contains(&format!("expected {OTHER}, got {DIGEST}")), "{error}");
    assert_eq!(setup.files(), ["lock"]);
}

#[test]
fn the_next_place_is_tried_and_its_file_found_again() {
    let setup = Setup::new([reply("404 Not Found", &[], 0, ""), whole(TARBALL)])
        .place("a.tar.xz", Some(OTHER))
        .place("b.tar.xz", Some(DIGEST));
    let tarball = setup.obtain().unwrap();
    assert!(tarball.path.ends_with("source/b.tar.xz"));
    assert_eq!(setup.obtain().unwrap(), tarball);
}

#[test]
fn without_any_place_the_error_lists_each_with_its_reason() {
    let setup = Setup::new([reply("404 Not Found", &[], 0, ""), whole(TARBALL)])
        .place("a.tar.xz", None)
        .place("b.tar.xz", Some(OTHER))
        .place("c.tar.xz", None);
    let error = setup.obtain().unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Stop::HostLacks(_))));
    let error = error.to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 6, "{error}");
    assert!(lines[0].contains("Linux 1.2"), "{error}");
    assert!(lines[1].contains("cache: "), "{error}");
    assert!(lines[2].contains("404"), "{error}");
    assert!(lines[3].contains("wrong SHA-256 digest"), "{error}");
    assert!(lines[4].contains("Failed to connect"), "{error}");
    assert!(lines[5].contains("--linux DIR") && lines[5].contains("b.tar.xz"), "{error}");
}

#[test]
fn a_full_disk_ends_it_before_anything_is_written() {
    let setup = Setup::new([reply("200 OK", &[], 1 << 60, "x"), whole(TARBALL)])
        .place("a.tar.xz", Some(DIGEST))
        .place("b.tar.xz", Some(DIGEST));
    let error = setup.obtain().unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Stop::HostLacks(_))));
    let text = format!("{error:#}");
    assert!(text.contains("1152921504606846976 bytes are needed"), "{text}");
    assert!(text.contains(&setup.cache.path().join("source").display().to_string()), "{text}");
    assert_eq!(setup.server.requests().len(), 1);
    assert_eq!(setup.files(), ["lock"]);
}

#[test]
fn a_file_in_the_cache_whose_time_changed_is_checked_whole_and_kept() {
    let setup = Setup::new([sums(DIGEST), whole(TARBALL)]).place("a.tar.xz", None);
    let tarball = setup.obtain().unwrap();
    let file = File::options().write(true).open(&tarball.path).unwrap();
    file.set_modified(UNIX_EPOCH).unwrap();
    assert_eq!(setup.obtain().unwrap(), tarball);
    assert!(Note::read(&tarball.path).unwrap().is_current(&tarball.path));
}

#[test]
fn a_file_in_the_cache_that_was_damaged_is_got_again() {
    let setup = Setup::new([whole(TARBALL), whole(TARBALL)]).place("a.tar.xz", Some(DIGEST));
    let tarball = setup.obtain().unwrap();
    fs::write(&tarball.path, "damaged").unwrap();
    assert_eq!(setup.obtain().unwrap(), tarball);
    assert_eq!(fs::read_to_string(&tarball.path).unwrap(), TARBALL);
}

#[test]
fn a_file_that_was_right_for_another_digest_is_not_used() {
    let mut setup = Setup::new([sums(DIGEST), whole(TARBALL)]).place("a.tar.xz", None);
    setup.obtain().unwrap();
    setup.base.places.clear();
    let setup = setup.place("a.tar.xz", Some(OTHER));
    setup.obtain().unwrap_err();
    assert_eq!(setup.files(), ["lock"]);
}

#[test]
fn a_file_brought_from_elsewhere_counts_only_with_a_digest() {
    let place = |digest| {
        let setup = Setup::new([]).place("a.tar.xz", digest);
        let dir = setup.cache.path().join("source");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("a.tar.xz"), TARBALL).unwrap();
        setup.obtain().map(|tarball| tarball.sha256.to_string()).ok()
    };
    assert_eq!(place(Some(DIGEST)).as_deref(), Some(DIGEST));
    assert_eq!(place(None), None);
    assert_eq!(place(Some(OTHER)), None);
}

#[test]
fn a_part_that_belongs_to_another_file_costs_one_more_download() {
    let answers = [part(4, 10, "456789"), whole(TARBALL)];
    let setup = Setup::new(answers).place("a.tar.xz", Some(DIGEST));
    let dir = setup.cache.path().join("source");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("a.tar.xz.part"), "junk").unwrap();
    let tarball = setup.obtain().unwrap();
    assert_eq!(fs::read_to_string(&tarball.path).unwrap(), TARBALL);
}
