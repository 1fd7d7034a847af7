//! Faults for real: one session in guests that fail under some of its cases, by the kernel's lkdtm,
//! by the agent's own doing or by a signal to QEMU.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use bpf_case::builder::accepts;
use bpf_wire::{Fault, Mode, Request, Response, Step, marker};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Emission, Rules, prepare, run};
use harness_host::exit::Status;
use harness_kernel::boot::BootOptions;
use harness_results::event::Stream;
use harness_results::record::{Counts, FailureClass, Record, Verdict};
use harness_session::guest::Guest;
use harness_session::helpers::Helpers;
use harness_session::{Alone, Answer, Executor, Work};
use harness_vm::{FailureKind, MachineConfig, accel::Accel};

/// How a case fails.
#[derive(Clone)]
enum Way {
    /// The guest commits this as the batch's last step.
    Guest(Fault),
    /// QEMU is killed before the batch is over.
    KillQemu,
}

/// What has to come of it.
struct Expected {
    way: Way,
    verdict: Verdict,
    /// How the guest ended; none where it answered.
    kind: Option<FailureKind>,
    /// The start of the problem.
    problem: &'static str,
    status: Status,
}

fn lkdtm(crash: &str, kind: Option<FailureKind>, problem: &'static str) -> Expected {
    failed(Way::Guest(Fault::Lkdtm(crash.into())), kind, problem)
}

fn failed(way: Way, kind: Option<FailureKind>, problem: &'static str) -> Expected {
    Expected { way, verdict: Verdict::Failed, kind, problem, status: Status::CaseFailed }
}

fn harness(way: Way, kind: FailureKind, problem: &'static str) -> Expected {
    Expected { way, verdict: Verdict::Error, kind: Some(kind), problem, status: Status::Harness }
}

fn expected() -> Vec<Expected> {
    use FailureKind as Kind;
    vec![
        lkdtm("WARNING", None, "splat: WARNING at drivers/misc/lkdtm/bugs.c:"),
        // No emergency to the kernel: it comes out when the console's thread gets to it.
        failed(
            Way::Guest(Fault::Log("BUG: sleeping function on request".into())),
            None,
            "splat: BUG: sleeping function on request",
        ),
        harness(
            Way::Guest(Fault::Garbage),
            Kind::Protocol,
            "guest failed (protocol): the agent sent no valid record: ",
        ),
        lkdtm("PANIC", Some(Kind::Panic), "guest failed (panic): Kernel panic - not syncing: "),
        lkdtm("BUG", Some(Kind::Bug), "guest failed (bug): kernel BUG at drivers/misc/lkdtm/"),
        lkdtm(
            "EXCEPTION",
            Some(Kind::Oops),
            "guest failed (oops): BUG: kernel NULL pointer dereference in lkdtm_",
        ),
        harness(
            Way::Guest(Fault::Trouble),
            Kind::Trouble,
            "guest failed (trouble): the agent is in trouble: batch fault/bad_6, step 2: this is",
        ),
        lkdtm(
            "LOOP",
            Some(Kind::Hung),
            "guest failed (hung): no answer within 10.0s, though the agent is alive; \
             the kernel was in lkdtm_LOOP",
        ),
        lkdtm(
            "SOFTLOCKUP",
            Some(Kind::Lockup),
            "guest failed (lockup): no heartbeat for 4.0s; the kernel was in lkdtm_SOFTLOCKUP",
        ),
        lkdtm(
            "HARDLOCKUP",
            Some(Kind::Lockup),
            "guest failed (lockup): no heartbeat for 4.0s; the kernel was in lkdtm_HARDLOCKUP",
        ),
        harness(
            Way::Guest(Fault::AgentExits),
            Kind::AgentDied,
            "guest failed (agent-died): the agent exited with status 1",
        ),
        harness(
            Way::Guest(Fault::AgentKilled),
            Kind::AgentDied,
            "guest failed (agent-died): the agent was killed by signal 11",
        ),
        failed(
            Way::Guest(Fault::AgentStopped),
            Some(Kind::Silent),
            "guest failed (silent): no heartbeat for 4.0s; the processor was idle",
        ),
        harness(
            Way::Guest(Fault::Truncated),
            Kind::Protocol,
            "guest failed (protocol): the agent stopped in the middle of a record: ",
        ),
        failed(
            Way::Guest(Fault::OutOfMemory),
            Some(Kind::OutOfMemory),
            "guest failed (out-of-memory): Out of memory",
        ),
        harness(
            Way::KillQemu,
            Kind::QemuDied,
            "guest failed (qemu-died): QEMU was killed by signal 9",
        ),
    ]
}

/// A guest that commits faults when it is given certain cases.
struct Faulty {
    guest: Guest,
    /// Where the consoles of its machines are: QEMU's command line names it.
    consoles: PathBuf,
    ways: BTreeMap<(String, Mode), Way>,
    /// Of each batch without an answer, whether it has a step more, and what is to kill QEMU.
    waiting: VecDeque<(bool, Option<JoinHandle<()>>)>,
    /// The folders of its machines' sockets.
    folders: BTreeSet<PathBuf>,
}

impl Executor for Faulty {
    fn console(&self) -> Vec<String> {
        self.guest.console()
    }

    fn submit(&mut self, mut work: Work) -> Result<()> {
        let mut killer = None;
        let fault = match self.ways.get(&(work.name.clone(), work.mode)).cloned() {
            None => None,
            Some(Way::Guest(fault)) => Some(fault),
            Some(Way::KillQemu) => {
                let (consoles, marker) = (self.consoles.clone(), marker(&work.name, work.mode));
                killer = Some(thread::spawn(move || kill_at(&consoles, &marker)));
                // Else the batch might be over before the signal comes.
                Some(Fault::AgentStopped)
            }
        };
        self.waiting.push_back((fault.is_some(), killer));
        if let Some(Request::Batch(batch)) = work.requests.first_mut() {
            batch.steps.extend(fault.map(Step::Fault));
        }
        self.guest.submit(work)?;
        self.folders.extend(machines(&self.consoles).into_iter().map(|machine| machine.folder));
        Ok(())
    }

    fn answer(&mut self, logged: &mut dyn FnMut(&str)) -> Result<Answer> {
        let mut answer = self.guest.answer(logged)?;
        let (more, killer) = self.waiting.pop_front().unwrap();
        if let (Answer::Done { responses, .. }, true) = (&mut answer, more) {
            let Some(Response::Batch(report)) = responses.first_mut() else { panic!("no batch") };
            report.steps.pop().unwrap().unwrap();
        }
        if let Some(killer) = killer {
            killer.join().unwrap();
        }
        // Another one may have been started for what was sent ahead.
        self.folders.extend(machines(&self.consoles).into_iter().map(|machine| machine.folder));
        Ok(answer)
    }

    fn abandon(&mut self) {
        self.waiting.clear();
        self.guest.abandon();
    }
}

/// Kills the machine whose console shows a marker, once it does.
fn kill_at(consoles: &Path, marker: &str) {
    let started = Instant::now();
    let shows = |machine: &Running| {
        let text = fs::read_to_string(&machine.console).unwrap_or_default();
        text.lines().any(|line| line.ends_with(&format!("case {marker}")))
    };
    while started.elapsed() < Duration::from_secs(60) {
        if let Some(machine) = machines(consoles).into_iter().find(shows) {
            kill(machine.pid, Signal::SIGKILL).unwrap();
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A machine that runs.
struct Running {
    pid: Pid,
    console: PathBuf,
    /// Where its socket is.
    folder: PathBuf,
}

/// The machines whose consoles are in a folder.
fn machines(consoles: &Path) -> Vec<Running> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            let line = fs::read_to_string(process.path().join("cmdline")).ok()?;
            let mut paths = line.split(['\0', ',']).filter_map(|arg| arg.strip_prefix("path="));
            let console = paths.clone().find(|path| Path::new(path).starts_with(consoles))?;
            let socket = paths.find(|path| path.ends_with("/agent"))?;
            let folder = Path::new(socket).parent()?.to_owned();
            Some(Running { pid: Pid::from_raw(pid), console: console.into(), folder })
        })
        .collect()
}

#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names"]
fn a_real_guest_that_fails_costs_the_case_it_fails_under_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = std::env::var_os("BPF_INDIRECT_VMLINUX").expect("BPF_INDIRECT_VMLINUX is set");
    let kernel = PathBuf::from(kernel);
    // The programs of these cases branch nowhere: mitigations do not matter.
    let emission =
        Emission::new(&kernel, &kernel.with_file_name("config"), &BTreeMap::new()).unwrap();
    let log = dir.path().join("console.log");
    let mut config =
        MachineConfig::new(kernel, harness_vm::image::build().unwrap(), Accel::Tcg, log);
    config.patience = Duration::from_secs(4);
    config.batch_deadline = Duration::from_secs(10);

    let expected = expected();
    let modes = [Mode::Interp, Mode::Jit];
    let of = |index: usize| modes[index % modes.len()];
    let case =
        |name: String| prepare(accepts(&name, "returns 7", "r0 = 7\nexit").run(vec![], 7).into());
    let mut cases = vec![case("fault/good".into())];
    let mut ways = BTreeMap::new();
    for (index, expected) in expected.iter().enumerate() {
        let name = format!("fault/bad_{index}");
        ways.insert((name.clone(), of(index)), expected.way.clone());
        cases.extend([case(name), case(format!("fault/good_{index}"))]);
    }
    let mut faulty = Faulty {
        guest: Guest::new(config, &BootOptions::default()),
        consoles: dir.path().to_owned(),
        ways,
        waiting: VecDeque::new(),
        folders: BTreeSet::new(),
    };
    let rules = Rules {
        modes: modes.to_vec(),
        fail_fast: false,
        declared: true,
        patches: None,
        probe: true,
        too_strict: true,
        emission,
        contain: None,
    };
    let mut stream = Stream::new(Vec::new());
    let records = run("cases", &cases, &rules, &mut faulty, &Alone, &mut stream).unwrap();

    let (bad, good): (Vec<&Record>, Vec<&Record>) = records.iter().partition(|record| {
        let way = |((name, mode), _): (&(String, Mode), &Way)| {
            *name == record.name && mode.name() == record.mode
        };
        faulty.ways.iter().any(way)
    });
    for record in good {
        assert_eq!(record.verdict, Verdict::Passed, "{record:#?}");
    }
    assert_eq!(bad.len(), expected.len());
    for ((index, record), expected) in bad.into_iter().enumerate().zip(&expected) {
        println!("{} {}: {}", record.name, record.mode, record.problems.join("\n"));
        assert_eq!(record.verdict, expected.verdict, "{record:#?}");
        assert_eq!(record.guest, expected.kind, "{record:#?}");
        let class = (expected.verdict == Verdict::Failed).then_some(FailureClass::Guest);
        assert_eq!(record.failure, class, "{record:#?}");
        assert_eq!(record.problems.len(), 1, "{record:#?}");
        assert!(record.problems[0].starts_with(expected.problem), "{record:#?}");
        let case = format!("{} {}", record.name, of(index).name());
        if expected.kind.is_some() {
            assert!(record.problems[0].contains(&format!("while running {case}\n")), "{record:#?}");
        }
        let marker = format!("bpf-indirect: case {case}");
        assert!(record.console[0].ends_with(&marker), "{record:#?}");
        assert_eq!(Counts::of(std::slice::from_ref(record)).status(), expected.status);
    }
    let count = |verdict| expected.iter().filter(|expected| expected.verdict == verdict).count();
    let counts = Counts::of(&records);
    assert_eq!(
        (counts.failed, counts.error, counts.passed, counts.status()),
        (
            count(Verdict::Failed),
            count(Verdict::Error),
            modes.len() * cases.len() - expected.len(),
            Status::CaseFailed
        )
    );
    assert_eq!(faulty.guest.facts().len(), expected.len() + 1, "each fault costs one guest");
    faulty.guest.end().unwrap();
    assert_eq!(faulty.folders.len(), expected.len() + 1);
    assert!(machines(dir.path()).is_empty(), "a machine was left running");
    for folder in faulty.folders {
        assert!(!folder.exists(), "{} was left", folder.display());
    }
}

fn said(records: &[Record]) -> Vec<(String, &'static str, Verdict)> {
    let said = |it: &Record| (it.name.clone(), it.mode, it.verdict);
    records.iter().map(said).collect()
}

#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names"]
fn two_real_guests_come_to_the_same_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut cases = bpf_suites::all();
    cases.retain(|case| case.name.starts_with("callx/") && case.name.contains('o'));
    cases.truncate(60);
    let prepared: Vec<_> = cases.into_iter().map(prepare).collect();
    let kernel = std::env::var_os("BPF_INDIRECT_VMLINUX").expect("BPF_INDIRECT_VMLINUX is set");
    let vmlinux = PathBuf::from(kernel);
    let initramfs = harness_vm::image::build().unwrap();
    let console = dir.path().join("console.log");
    let config = MachineConfig::new(vmlinux.clone(), initramfs, Accel::Tcg, console);
    let mut guest = Guest::new(config, &BootOptions::default());
    let said_by_it = guest.vulnerabilities(Emission::ASKED).unwrap();
    let emission = Emission::new(&vmlinux, &vmlinux.with_file_name("config"), &said_by_it).unwrap();
    let rules = Rules {
        modes: Mode::ALL.to_vec(),
        fail_fast: false,
        declared: true,
        patches: None,
        probe: true,
        too_strict: true,
        emission,
        contain: None,
    };
    let mut run = |jobs| {
        let helpers = Helpers::new(&guest, jobs);
        let mut stream = Stream::new(Vec::new());
        let records =
            super::run("cases", &prepared, &rules, &mut guest, &helpers, &mut stream).unwrap();
        let facts = helpers.facts();
        helpers.ended().unwrap();
        (said(&records), facts)
    };
    let (one, none) = run(1);
    let (two, helper) = run(2);
    assert_eq!(one.len(), 180);
    assert!(one.iter().all(|(_, _, verdict)| *verdict == Verdict::Passed), "{one:?}");
    assert_eq!(one, two);
    assert!(none.is_empty());
    let [helper] = helper.as_slice() else { panic!("one guest more: {helper:?}") };
    assert!(helper.batches > 10 && helper.end.is_some(), "{helper:?}");
    assert!(dir.path().join("console.job2.log").exists());
    guest.end().unwrap();
}
