//! A cache entry that was damaged, and two processes that want the same one.

use std::fs;
use std::path::{Path, PathBuf};

use super::stopped::make_has_started;
use super::world::World;

/// The one finished build of the cache.
fn entry(world: &World) -> PathBuf {
    let mut entries = fs::read_dir(world.path("cache/kernel/builds")).unwrap();
    let entry = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "more than one build");
    entry
}

/// How often make built the tree.
fn builds(world: &World) -> usize {
    let mut runs = 0;
    let homes = fs::read_dir(world.path("cache/kernel")).unwrap();
    for home in homes.map(|home| home.unwrap().path().join("objects/base/runs")) {
        runs += fs::read_to_string(home).map_or(0, |text| text.matches("run").count());
    }
    runs
}

#[test]
fn a_damaged_build_is_noticed_said_and_made_again() {
    let world = World::new();
    world.run(world.kernel()).assert_status(0);
    let good = fs::read(entry(&world).join("vmlinux")).unwrap();
    let damages: [fn(&Path); 4] = [
        |vmlinux| fs::write(vmlinux, "").unwrap(),
        |vmlinux| fs::remove_file(vmlinux).unwrap(),
        |vmlinux| fs::write(vmlinux, fs::read(vmlinux).unwrap().to_ascii_uppercase()).unwrap(),
        |vmlinux| fs::write(vmlinux.with_file_name("build.json"), "{").unwrap(),
    ];
    for damage in damages {
        damage(&entry(&world).join("vmlinux"));
        let again = world.run(world.kernel());
        again.assert_status(0);
        assert!(again.said.contains("is damaged and is built again"), "{}", again.said);
        assert_eq!(fs::read(entry(&world).join("vmlinux")).unwrap(), good);
        let once_more = world.run(world.kernel());
        once_more.assert_status(0);
        assert!(once_more.said.contains("from the cache"), "{}", once_more.said);
    }
    world.assert_nothing_is_left();
}

#[test]
fn two_processes_that_want_the_same_build_make_it_once() {
    let world = World::new();
    world.kernel_file("kernel/core.c", "waits\n");
    let first = world.start(world.kernel());
    let runs = make_has_started(&world);
    first.wait_for_file(&runs);
    let mut second = world.start(world.kernel());
    second.wait_for_words("waiting for another process");
    fs::write(runs.with_file_name("go"), "").unwrap();
    let second = second.end();
    let first = first.end();
    first.assert_status(0);
    second.assert_status(0);
    let key = |said: &str| {
        said.lines().find_map(|line| line.strip_prefix("key ")).map(str::to_owned).unwrap()
    };
    assert_eq!(key(&first.said), key(&second.said));
    assert_eq!(builds(&world), 1);
    assert!(entry(&world).join("vmlinux").exists());
    world.assert_nothing_is_left();
}
