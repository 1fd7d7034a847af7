//! A cache, a kernel tree and a folder for temporary files of a test's own, and the program in them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use harness_kernel::testing::fake_kernel;

/// How long anything that is waited for may take, on the slowest of machines.
const PATIENCE: Duration = Duration::from_secs(120);

/// The variable that everything a test starts has in its environment, with a value of the test's own.
const MARK: &str = "BPF_INDIRECT_TEST";

/// The environment of a test.
pub(crate) struct World {
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("bpf-indirect-test-").tempdir().unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        fake_kernel(&dir.path().join("linux"));
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the kernel tree.
    pub(crate) fn kernel_file(&self, name: &str, content: &str) {
        fs::write(self.path("linux").join(name), content).unwrap();
    }

    /// Puts a program that never ends into the folder `bin`; it tells the file `started` that it runs.
    pub(crate) fn stuck_program(&self, name: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path("bin").join(name);
        fs::create_dir_all(self.path("bin")).unwrap();
        let started = self.path("started");
        fs::write(&path, format!("#!/bin/sh\necho > {}\nsleep 1000\n", started.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// `program` with this world's folders in its environment and in a process group of its own, as a
    /// terminal starts it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        // The program ends with the test, whose end may be that of a check that was stopped.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .env("BPF_INDIRECT_CACHE", self.path("cache"))
            .env("TMPDIR", self.path("tmp"))
            .env(MARK, self.dir.path())
            .process_group(0)
            .stdin(Stdio::null());
        command
    }

    /// The program.
    pub(crate) fn xtask(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_xtask"))
    }

    /// The program, to build the kernel tree.
    pub(crate) fn kernel(&self) -> Command {
        let mut command = self.xtask();
        command.args(["kernel", "--linux"]).arg(self.path("linux"));
        command
    }

    /// Starts a command; what it says goes into the file `said`.
    pub(crate) fn start(&self, mut command: Command) -> Running<'_> {
        let said = tempfile::NamedTempFile::new_in(self.dir.path()).unwrap().keep().unwrap().1;
        let file = File::options().append(true).open(&said).unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Running { world: self, child, said }
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, command: Command) -> Ended {
        self.start(command).end()
    }

    /// The processes that have this world's mark and are not zombies, by their command lines.
    fn processes(&self) -> Vec<String> {
        let mark = format!("{MARK}={}", self.dir.path().display());
        let marked = |dir: &Path| {
            let environment = fs::read(dir.join("environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
        };
        let line = |dir: &Path| {
            let words = fs::read(dir.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).replace('\0', " ").trim().to_owned()
        };
        let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|dir| marked(dir)).map(|dir| line(&dir)).collect()
    }

    /// Checks that nothing of what was started still runs and that no temporary file is left.
    pub(crate) fn assert_nothing_is_left(&self) {
        // A process that was killed may take a moment.
        wait_for(|| self.processes().is_empty(), || format!("{:#?}", self.processes()));
        let left: Vec<_> = fs::read_dir(self.path("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let builds = self.path("cache/kernel/builds");
        let half = fs::read_dir(builds).into_iter().flatten().map(|entry| entry.unwrap().path());
        let half: Vec<_> = half.filter(|path| !path.join("build.json").exists()).collect();
        assert!(half.is_empty(), "half-written: {half:?}");
    }
}

/// A command that runs.
pub(crate) struct Running<'a> {
    world: &'a World,
    child: Child,
    said: PathBuf,
}

impl Running<'_> {
    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).unwrap()).into_owned()
    }

    /// Waits until it has said something.
    pub(crate) fn wait_for_words(&mut self, words: &str) {
        let start = Instant::now();
        while !self.said().contains(words) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended ({status}) and said no `{words}`:\n{}", self.said());
            }
            assert!(start.elapsed() < PATIENCE, "it said no `{words}`:\n{}", self.said());
            sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a file is there.
    pub(crate) fn wait_for_file(&self, path: &Path) {
        wait_for(|| path.exists(), || format!("no {}:\n{}", path.display(), self.said()));
    }

    /// Stops it in one of two ways, and checks that nothing is left.
    pub(crate) fn stop(self, how: Stop) -> Ended {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        match how {
            Stop::FromTerminal => killpg(pid, Signal::SIGINT).unwrap(),
            Stop::FromSupervisor => kill(pid, Signal::SIGTERM).unwrap(),
        }
        let world = self.world;
        let ended = self.end();
        world.assert_nothing_is_left();
        ended
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("it does not end:\n{}", self.said());
            }
            sleep(Duration::from_millis(5));
        };
        Ended { status, said: self.said() }
    }
}

/// Who stops the program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// Ctrl-C: SIGINT to the whole process group.
    FromTerminal,
    /// A supervisor that gives up: SIGTERM to the one process that it knows.
    FromSupervisor,
}

/// A command that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

impl Ended {
    /// Checks the exit status, and that it did not panic.
    #[track_caller]
    pub(crate) fn assert_status(&self, status: i32) {
        assert_eq!(self.status.code(), Some(status), "{}: {}", self.status, self.said);
        assert!(!self.said.contains("panicked"), "{}", self.said);
    }

    /// Checks the exit status and what it said last.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: i32, words: &str) {
        self.assert_status(status);
        let error = self.said.lines().find(|line| line.starts_with("error: "));
        let errors = self.said.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(error.is_some() && errors == 1, "not one error: {}", self.said);
        assert!(self.said.contains(words), "no `{words}` in: {}", self.said);
    }
}

#[track_caller]
pub(crate) fn wait_for(mut there: impl FnMut() -> bool, or: impl Fn() -> String) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < PATIENCE, "{}", or());
        sleep(Duration::from_millis(5));
    }
}
