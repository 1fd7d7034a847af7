//! A disk that is full: a small tmpfs in a mount namespace of the test's own. `cargo xtask check` runs
//! these where the host lets a user have one.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::stopped::test_command;
use super::world::{Ended, World};

/// Runs a script in which `small SIZE` puts a file system of this size in the place of the cache, and
/// `$XTASK` is the program.
fn with_small_disk(world: &World, script: &str) -> Ended {
    fs::create_dir_all(world.path("cache")).unwrap();
    let small = "small() { mount -t tmpfs -o size=$1 none \"$BPF_INDIRECT_CACHE\"; }";
    let mut command: Command = world.command("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(format!("{small}\n{script}"))
        .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
        .env("LINUX", world.path("linux"));
    world.run(command)
}

#[test]
#[ignore = "needs a mount namespace; cargo xtask check runs it"]
fn full_disk_while_the_kernel_is_built() {
    let world = World::new();
    world.kernel_file("kernel/core.c", "large\n");
    let ended = with_small_disk(&world, "small 4m && exec $XTASK kernel --linux $LINUX");
    ended.assert_error(69, "No space left on device");
    assert!(ended.said.contains("full log: "), "{}", ended.said);
}

/// vmlinux fits into the build directory, its copy does not fit beside it. What is there afterwards is
/// whole or not there, and room is all that the next build needs.
#[test]
#[ignore = "needs a mount namespace; cargo xtask check runs it"]
fn full_disk_while_a_build_is_stored() {
    let world = World::new();
    world.kernel_file("kernel/core.c", "large\n");
    let ended = with_small_disk(
        &world,
        "small 12m || exit
         $XTASK kernel --linux $LINUX; echo status $?
         ls -A \"$BPF_INDIRECT_CACHE/kernel/builds\" | sed 's/^/left: /'
         mount -o remount,size=64m \"$BPF_INDIRECT_CACHE\" && exec $XTASK kernel --linux $LINUX",
    );
    ended.assert_error(0, "No space left on device");
    assert!(ended.said.contains("status 69"), "{}", ended.said);
    assert!(!ended.said.contains("left: "), "{}", ended.said);
    assert!(ended.said.contains("vmlinux  "), "{}", ended.said);
}

/// Where the console does not fit any more, splats may be missing: that all cases passed says nothing then.
#[test]
#[ignore = "needs a mount namespace and the kernel of the cache; cargo xtask check runs it"]
fn full_disk_under_the_console() {
    let world = World::new();
    let consoles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/consoles");
    fs::create_dir_all(&consoles).unwrap();
    let test = test_command(&world);
    let mut command = world.command("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=4k none \"$CONSOLES\" && exec \"$XTASK\" test 'gotox/[a-h]' --mode interp")
        .env("CONSOLES", consoles)
        .env("XTASK", env!("CARGO_BIN_EXE_xtask"));
    for (name, value) in test.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let ended = world.run(command);
    ended.assert_error(69, "broke off before gotox/");
    assert!(ended.said.contains("no space left in "), "{}", ended.said);
}
