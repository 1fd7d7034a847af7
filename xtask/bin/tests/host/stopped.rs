//! A user who stops the program, in every phase of its work: it ends with its status, nothing that it
//! started still runs, nothing is half-written, and the next run goes on from there.

use std::fs::File;
use std::path::PathBuf;

use super::world::{Stop, World, wait_for};

/// Both ways of being stopped, each in a world of its own.
fn both_ways(test: impl Fn(World, Stop)) {
    for how in [Stop::FromTerminal, Stop::FromSupervisor] {
        test(World::new(), how);
    }
}

/// The status of a program that was stopped.
const INTERRUPTED: i32 = 130;

#[test]
fn while_the_source_is_downloaded() {
    both_ways(|world, how| {
        world.stuck_program("curl");
        let mut path = world.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let mut command = world.xtask();
        command.arg("kernel").env("PATH", path);
        let running = world.start(command);
        running.wait_for_file(&world.path("started"));
        running.stop(how).assert_error(INTERRUPTED, "interrupted");
    });
}

#[test]
fn while_another_process_has_the_lock() {
    both_ways(|world, how| {
        world.run(world.kernel()).assert_status(0);
        world.kernel_file("kernel/core.c", "changed\n");
        let homes = std::fs::read_dir(world.path("cache/kernel")).unwrap();
        let lock = homes.map(|home| home.unwrap().path().join("lock")).find(|lock| lock.exists());
        let lock = File::open(lock.unwrap()).unwrap();
        lock.lock().unwrap();
        let mut running = world.start(world.kernel());
        running.wait_for_words("waiting for another process");
        running.stop(how).assert_error(INTERRUPTED, "interrupted");
    });
}

#[test]
fn while_the_kernel_is_configured() {
    both_ways(|world, how| {
        world.kernel_file("Kconfig", "stuck\n");
        let running = world.start(world.kernel());
        running.wait_for_file(&make_has_started(&world));
        running.stop(how).assert_error(INTERRUPTED, "interrupted");
        world.kernel_file("Kconfig", "config A\n");
        world.run(world.kernel()).assert_status(0);
    });
}

#[test]
fn while_the_kernel_is_built() {
    both_ways(|world, how| {
        world.kernel_file("kernel/core.c", "stuck\n");
        let running = world.start(world.kernel());
        running.wait_for_file(&make_has_started(&world));
        running.stop(how).assert_error(INTERRUPTED, "interrupted");
        world.kernel_file("kernel/core.c", "fine\n");
        world.run(world.kernel()).assert_status(0);
    });
}

/// What the tree's make writes first.
pub(crate) fn make_has_started(world: &World) -> PathBuf {
    let home = |dir: &std::fs::DirEntry| dir.path().join("objects/base/runs");
    let mut found = None;
    let start_of_make = || {
        let homes = std::fs::read_dir(world.path("cache/kernel")).into_iter().flatten();
        let mut homes = homes.map(|dir| home(&dir.unwrap()));
        found = homes.find(|runs| runs.parent().is_some_and(|dir| dir.exists()));
        found.is_some()
    };
    wait_for(start_of_make, || "make was not started".to_owned());
    found.unwrap()
}

#[test]
fn while_cargo_works_for_a_check() {
    both_ways(|world, how| {
        let cargo = world.stuck_program("cargo");
        let mut command = world.xtask();
        command.arg("check").env("CARGO", cargo);
        let running = world.start(command);
        running.wait_for_file(&world.path("started"));
        running.stop(how).assert_error(INTERRUPTED, "interrupted");
    });
}

/// `cargo xtask test` in the user's own cache, where the kernel is.
pub(crate) fn test_command(world: &World) -> std::process::Command {
    let mut command = world.xtask();
    match std::env::var_os("BPF_INDIRECT_CACHE") {
        Some(cache) => command.env("BPF_INDIRECT_CACHE", cache),
        None => command.env_remove("BPF_INDIRECT_CACHE"),
    };
    command.args(["test", "gotox/", "--json"]).arg(world.path("report.json"));
    command
}

#[test]
#[ignore = "takes the kernel from the cache; cargo xtask check runs it"]
fn real_guest_while_the_agent_is_compiled() {
    both_ways(|world, how| {
        let wrapper = world.stuck_program("rustc-wrapper");
        let mut command = test_command(&world);
        command.env("RUSTC_WRAPPER", wrapper);
        let running = world.start(command);
        running.wait_for_file(&world.path("started"));
        running.stop(how).assert_error(INTERRUPTED, "interrupted");
    });
}

#[test]
#[ignore = "starts QEMU with the kernel of the cache; cargo xtask check runs it"]
fn real_guest_while_it_boots_and_while_cases_run() {
    for words in ["of the series' patches", "cases ("] {
        both_ways(|world, how| {
            let mut running = world.start(test_command(&world));
            running.wait_for_words(words);
            running.stop(how).assert_error(INTERRUPTED, "interrupted");
            let report = harness_report::json::read(&world.path("report.json")).unwrap();
            assert_eq!(report.stopped.as_deref(), Some("interrupted"));
        });
    }
}
