//! What compilers make of C, C++ and assembly, each object linked and run as `cargo xtask run` does.
//! The sources in `objects` say with what flags they are compiled and what their programs come to:
//!
//! ```text
//! //! build FLAGS                 begins what is stated of one build
//! //! note: TEXT                  linking says so
//! //! NAME: VALUE                 returns the value in each mode, on zeros, and so in the model
//! //! NAME HEX: VALUE             on this context
//! //! NAME: VALUE, wrote HEX …    writes these records
//! //! NAME: VALUE, interp skipped: TEXT
//! //! NAME loaded                 there is no test run for its type
//! //! NAME refused: TEXT          the kernel refuses it and says so
//! //! NAME left out: TEXT         is not loaded at all
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use bpf_wire::Mode;
use harness_kernel::boot::BootOptions;
use harness_results::event::{Sort, Stream};
use harness_results::notation::hex;
use harness_results::object::{Execution, MODEL, ObjectRun, Outcome};
use harness_session::guest::Guest;
use harness_session::{Alone, Part, Rules, Test, run};
use harness_suites::object::lacking::lacking;
use harness_suites::object::{Given, ObjectTest, keeps, link, tests};
use harness_vm::MachineConfig;
use harness_vm::accel::Accel;

/// What a source states of one build.
#[derive(Debug, Default)]
struct Build {
    flags: Vec<String>,
    notes: Vec<String>,
    programs: Vec<Stated>,
}

/// What is stated of a program.
#[derive(Debug)]
struct Stated {
    program: String,
    ctx: Option<Vec<u8>>,
    comes_to: ComesTo,
}

#[derive(Debug)]
enum ComesTo {
    Returns { value: u32, wrote: Vec<String>, interp_skipped: Option<String> },
    Loaded,
    Refused(String),
    LeftOut(String),
}

fn number(text: &str) -> u32 {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn bytes(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn stated(line: &str) -> Stated {
    for (what, comes_to) in [
        (" left out: ", ComesTo::LeftOut as fn(String) -> ComesTo),
        (" refused: ", ComesTo::Refused),
    ] {
        if let Some((program, text)) = line.split_once(what) {
            let (program, comes_to) = (program.to_owned(), comes_to(text.to_owned()));
            return Stated { program, ctx: None, comes_to };
        }
    }
    if let Some(program) = line.strip_suffix(" loaded") {
        return Stated { program: program.to_owned(), ctx: None, comes_to: ComesTo::Loaded };
    }
    let (program, result) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
    let (program, ctx) = match program.split_once(' ') {
        Some((program, ctx)) => (program, Some(bytes(ctx))),
        None => (program, None),
    };
    let mut parts = result.split(", ");
    let value = number(parts.next().unwrap());
    let (mut wrote, mut interp_skipped) = (Vec::new(), None);
    for part in parts {
        if let Some(records) = part.strip_prefix("wrote ") {
            wrote = records.split(' ').map(str::to_owned).collect();
        } else if let Some(why) = part.strip_prefix("interp skipped: ") {
            interp_skipped = Some(why.to_owned());
        } else {
            panic!("{line}");
        }
    }
    let comes_to = ComesTo::Returns { value, wrote, interp_skipped };
    Stated { program: program.to_owned(), ctx, comes_to }
}

fn builds(text: &str) -> Vec<Build> {
    let mut builds: Vec<Build> = Vec::new();
    let lines = text.lines().filter_map(|line| {
        line.strip_prefix("//! ").or_else(|| line.strip_prefix("#! ")).map(str::trim)
    });
    for line in lines {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("build", flags) => builds.push(Build {
                flags: flags.split_whitespace().map(str::to_owned).collect(),
                ..Build::default()
            }),
            ("note:", note) => builds.last_mut().unwrap().notes.push(note.to_owned()),
            _ => builds.last_mut().unwrap().programs.push(stated(line)),
        }
    }
    assert!(!builds.is_empty());
    builds
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects")
}

/// The object, or none where there is no compiler.
fn compiled(source: &Path, flags: &[String], dir: &Path) -> Option<Vec<u8>> {
    let object = dir.join("object.o");
    let mut command = Command::new("clang-22");
    command.args(["--target=bpfel", "-mcpu=v4"]);
    if source.extension().is_some_and(|extension| extension != "s") {
        command.args(["-O2", "-Werror=implicit-function-declaration"]);
    }
    let output = command.args(flags).arg("-c").arg(source).arg("-o").arg(&object).output();
    match output {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(fs::read(&object).unwrap())
        }
        Err(error) => {
            eprintln!("no clang-22 here, nothing was tested: {error}");
            None
        }
    }
}

/// A program that is to be run, what is stated of it, and in which build.
struct Subject {
    of: String,
    stated: Stated,
    test: ObjectTest,
}

/// Links each build of each source. Gives what differs from what is stated already.
fn subjects(wrong: &mut Vec<String>) -> Option<Vec<Subject>> {
    let dir = tempfile::tempdir().unwrap();
    let mut sources: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.retain(|source| source.extension().is_some_and(|extension| extension != "h"));
    sources.sort();
    let mut subjects = Vec::new();
    for source in sources {
        let name = source.file_name().unwrap().to_string_lossy().into_owned();
        for build in builds(&fs::read_to_string(&source).unwrap()) {
            let of = format!("{name} {}", build.flags.join(" ")).trim_end().to_owned();
            let linked = link(&compiled(&source, &build.flags, dir.path())?);
            let linked = linked.unwrap_or_else(|error| panic!("{of}: {error}"));
            for note in &build.notes {
                if !linked.notes.iter().any(|it| it.contains(note)) {
                    wrong.push(format!("{of}: {:?} do not say {note}", linked.notes));
                }
            }
            if build.notes.is_empty() && !linked.notes.is_empty() {
                wrong.push(format!("{of}: not stated: {:?}", linked.notes));
            }
            for test in tests(&source, &linked, &Given::default(), &|_| true) {
                if !build.programs.iter().any(|stated| stated.program == test.program) {
                    wrong.push(format!("{of}: nothing is stated of {}", test.program));
                }
            }
            for stated in build.programs {
                let given = Given { ctx: stated.ctx.clone(), ..Given::default() };
                let test = tests(&source, &linked, &given, &|name| name == stated.program);
                match test.into_iter().next() {
                    Some(test) => subjects.push(Subject { of: of.clone(), stated, test }),
                    None => wrong.push(format!("{of}: there is no {}", stated.program)),
                }
            }
        }
    }
    Some(subjects)
}

/// The last lines of a log.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}

/// What differs from what is stated of a program.
fn differences(stated: &Stated, run: &ObjectRun) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |good: bool, text: String| {
        if !good {
            wrong.push(text);
        }
    };
    let kernel = run.executions.iter().filter(|execution| execution.by != MODEL);
    match &stated.comes_to {
        ComesTo::LeftOut(text) => {
            let why = run.left_out.as_deref();
            expect(why.is_some_and(|why| why.contains(text)), format!("left out: {why:?}"));
            return wrong;
        }
        ComesTo::Loaded => kernel.for_each(|Execution { outcome, .. }| {
            expect(matches!(outcome, Outcome::Loaded { .. }), format!("{outcome:?}"));
        }),
        ComesTo::Refused(text) => {
            kernel.for_each(|Execution { outcome, log, .. }| {
                let says = |what: &str| what.contains(text) || log.contains(text);
                let refused = matches!(outcome, Outcome::Refused { what, .. } if says(what));
                expect(refused, format!("{outcome:?} {}", end_of(log)));
            });
        }
        ComesTo::Returns { value, wrote, interp_skipped } => {
            for Execution { by, outcome, log, .. } in kernel {
                match outcome {
                    Outcome::Ran(ran) => {
                        expect(ran.returned == *value, format!("{by}: {:#x}", ran.returned));
                        let records = ran.written.iter().flat_map(|written| &written.records);
                        let records: Vec<String> =
                            records.map(|record| hex(record).replace(' ', "")).collect();
                        expect(records == *wrote, format!("{by}: wrote {records:?}"));
                    }
                    Outcome::Skipped { reason } => expect(
                        *by == Mode::Interp.name()
                            && interp_skipped.as_ref().is_some_and(|text| reason.contains(text)),
                        format!("{by}: {outcome:?}"),
                    ),
                    _ => expect(false, format!("{by}: {outcome:?} {}", end_of(log))),
                }
            }
            expect(run.problems.is_empty(), format!("{:?}", run.problems));
        }
    }
    expect(run.left_out.is_none() && run.executions.len() == 4, format!("{:?}", run.left_out));
    wrong
}

#[test]
#[ignore = "starts QEMU with the kernel that BPF_INDIRECT_VMLINUX names"]
fn objects_in_a_real_guest_come_to_what_their_sources_state() {
    let mut wrong = Vec::new();
    let Some(mut subjects) = subjects(&mut wrong) else { return };
    let kernel = env::var_os("BPF_INDIRECT_VMLINUX").expect("BPF_INDIRECT_VMLINUX names a vmlinux");
    let kernel = PathBuf::from(kernel);
    let config = fs::read_to_string(kernel.with_file_name("config")).unwrap();
    for Subject { test, .. } in &mut subjects {
        if let Some(reason) = test.plan.as_ref().ok().and_then(|plan| lacking(plan, &config)) {
            test.plan = Err(reason);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let initramfs = harness_vm::image::build().unwrap();
    let console = dir.path().join("console.log");
    let machine = MachineConfig::new(kernel, initramfs, Accel::Tcg, console);
    let mut guest = Guest::new(machine, &BootOptions::default());
    let plans: Vec<ObjectTest> = subjects.iter().map(|subject| subject.test.clone()).collect();
    guest.let_keep(keeps(&plans, Mode::ALL.len()));
    let all: Vec<&dyn Test> = subjects.iter().map(|subject| &subject.test as &dyn Test).collect();
    let rules = Rules { modes: Mode::ALL.to_vec(), fail_fast: false };
    let part = Part { name: "objects", total: None };
    let mut stream = Stream::new(Vec::new());
    run(part, &all, &rules, &mut guest, &Alone, &mut stream).unwrap();
    guest.end().unwrap();
    for (Subject { of, stated, .. }, finished) in subjects.iter().zip(stream.into_finished()) {
        let Sort::Object(run) = finished.sort else { panic!("{:?}", finished.sort) };
        assert_eq!(stated.program, run.program);
        let differ = differences(stated, &run);
        wrong.extend(differ.iter().map(|what| format!("{of}: {}: {what}", run.program)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
