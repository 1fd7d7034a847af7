//! `cargo xtask run`: loads an object file that anyone made into the guest, and says what came of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bpf_object::{LinkError, Linked};
use bpf_wire::Mode;
use clap::Args;
use serde::Serialize;

use crate::cli::{self, GuestArgs};
use harness_host::exit::{Status, Stop};
use harness_host::ui::{errln, out};
use harness_report::live::Each;
use harness_report::terminal;
use harness_results::event::{Finished, Reporter, Sort, Stream};
use harness_results::object::ObjectRun;
use harness_results::record::{Counts, Record};
use harness_session::start::{Started, start};
use harness_session::{self as session, Alone, Executor, Part, Rules, Scripted, Test, Work};
use harness_suites::object::lacking::lacking;
use harness_suites::object::{self, Given, ObjectTest, assign};
use harness_suites::verifier::object::{Annotated, AnnotatedTest};
use harness_suites::verifier::suite::Reference;

/// Options of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask run prog.o                            every program of the object, on zeros
  cargo xtask run prog.o --prog main --ctx 0100     one of them, on a context of two bytes
  cargo xtask run prog.o --ctx mark=7,cb[0]=1       on a context with these fields
  cargo xtask run prog.o --set limit=3              with a variable of the object's changed
  cargo xtask run prog.o --packet @packet.bin       on a packet from a file
  cargo xtask run prog.o --mode jit --log 2         with all that the verifier has to say
  cargo xtask run --annotated verifier_gotox.o      judged by its own annotations

A program that cannot be linked, or that the kernel's configuration does not know, is named and keeps no
other from running. What needs the JIT is skipped in the interpreter.

Exit status: 0 every program that could be loaded ran and all executions agree, or every annotated test
passed; 1 the kernel refused one, executions differ, a test failed, or an object has no program that ran;
2 wrong usage or a file that is no object; 69 the host lacks something; 70 the harness itself failed.")]
pub(crate) struct Run {
    /// Object files for BPF, made by clang, rustc or anything else.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only the program of this name.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// Context: bytes in hexadecimal, or @FILE. Without, as many zeros as the program may read, for
    /// types whose test run takes a context.
    /// Or fields by name, zeros otherwise: those of `struct __sk_buff` and `struct xdp_md` that a test
    /// run takes, for other types those of the struct that the program takes, compiled with -g.
    #[arg(long, value_name = "HEX|@FILE|NAME=VALUE,…", conflicts_with = "annotated")]
    ctx: Option<String>,
    /// Give a variable in .rodata, .data or .bss a value before the load: a number, or all bytes in
    /// hexadecimal if they are more than eight; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "annotated")]
    set: Vec<String>,
    /// Packet from its Ethernet header on: bytes in hexadecimal, or @FILE. 64 zeros without, for
    /// programs that take one.
    #[arg(long, value_name = "HEX|@FILE", value_parser = bytes, conflicts_with = "annotated")]
    packet: Option<Bytes>,
    /// Run only in this mode; may be repeated.
    #[arg(long, value_parser = cli::mode())]
    mode: Vec<Mode>,
    /// Show the verifier's log whole, of accepted programs too: 1, 2 for every state, 4 for figures.
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u32).range(1..=7))]
    log: Option<u32>,
    /// Judge the kernel by the objects' own annotations, those of the kernel's selftests
    /// (tools/testing/selftests/bpf/progs/bpf_misc.h).
    #[arg(long, conflicts_with = "log")]
    annotated: bool,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    on: GuestArgs,
}

/// Bytes of the command line. A type of its own, as clap takes a `Vec` for a repeated option.
#[derive(Clone, Debug)]
struct Bytes(Vec<u8>);

impl Run {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let modes: Vec<Mode> = match self.mode.as_slice() {
            [] => Mode::ALL.to_vec(),
            some => some.to_vec(),
        };
        let clock = Instant::now();
        if self.annotated {
            let reference = Reference::None;
            let tests = self.annotated(&reference)?;
            let (_, records) = self.guest_session(modes, tests, |_, _| 0)?;
            let counts = Counts::of(&records);
            if self.json {
                print_json(&records)?;
            } else {
                out!("{}", terminal::summary(&records, counts, clock.elapsed().as_secs_f64()));
            }
            let none = counts.passed + counts.failed + counts.error == 0;
            return Ok(if none { Status::CaseFailed } else { counts.status() });
        }
        let (tests, unreadable) = self.plain()?;
        let (finished, records) = match tests.iter().any(|test| test.plan.is_ok()) {
            true => self.guest_session(modes.clone(), tests, |tests, config| {
                for test in tests.iter_mut() {
                    let lacks = test.plan.as_ref().ok().and_then(|plan| lacking(plan, config));
                    if let Some(reason) = lacks {
                        test.plan = Err(reason);
                    }
                }
                object::keeps(tests, modes.len())
            })?,
            false => {
                let nothing =
                    |_: Work, _: &mut dyn FnMut(&str)| bail!("there is nothing to execute");
                self.session(modes, &tests, &mut Scripted::new(nothing))?
            }
        };
        let runs: Vec<ObjectRun> = finished.into_iter().filter_map(object_run).collect();
        let mut status = Counts::of(&records).status();
        let idle = self.files.iter().any(|file| {
            let mut of_file = runs.iter().filter(|run| run.file == *file).peekable();
            of_file.peek().is_some() && !of_file.any(ObjectRun::has_run)
        });
        if status == Status::Passed && idle {
            errln!("an object has no program that was run");
            status = Status::CaseFailed;
        }
        if self.json {
            print_json(&runs)?;
        }
        Ok(if status == Status::Passed && unreadable { Status::Usage } else { status })
    }

    /// Runs tests in a guest. `adapt` is told its kernel's configuration, and gives the memory that
    /// the kernel may keep of the tests, in MiB.
    fn guest_session<T: Test>(
        &self,
        modes: Vec<Mode>,
        mut tests: Vec<T>,
        adapt: impl FnOnce(&mut [T], &str) -> u32,
    ) -> Result<(Vec<Finished>, Vec<Record>)> {
        let Started { built, mut guest, .. } = start(&self.on.on())?;
        let config = std::fs::read_to_string(&built.config)
            .with_context(|| format!("failed to read {}", built.config.display()))?;
        guest.let_keep(adapt(&mut tests, &config));
        let ran = self.session(modes, &tests, &mut guest)?;
        guest.end()?;
        Ok(ran)
    }

    /// Runs tests, and shows each as it ends.
    fn session<T: Test>(
        &self,
        modes: Vec<Mode>,
        tests: &[T],
        executor: &mut dyn Executor,
    ) -> Result<(Vec<Finished>, Vec<Record>)> {
        let mut each = Each { whole_log: self.log.is_some() };
        let reporters: Vec<&mut dyn Reporter> =
            if self.json { Vec::new() } else { vec![&mut each] };
        let mut stream = Stream::new(reporters);
        let tests: Vec<&dyn Test> = tests.iter().map(|test| test as &dyn Test).collect();
        let rules = Rules { modes, fail_fast: false };
        let part = Part { name: "programs", total: None };
        let records = session::run(part, &tests, &rules, executor, &Alone, &mut stream)?;
        Ok((stream.into_finished().collect(), records))
    }

    /// The programs that were asked for, and whether there is a file that is no object.
    fn plain(&self) -> Result<(Vec<ObjectTest>, bool)> {
        let mut tests = Vec::new();
        let mut unreadable = false;
        let mut has = Vec::new();
        let files: Vec<(&PathBuf, Vec<u8>)> =
            self.files.iter().map(|file| Ok((file, read(file)?))).collect::<Result<_>>()?;
        for (file, bytes) in files {
            match object::link(&bytes) {
                Ok(mut linked) => {
                    for assignment in &self.set {
                        let place = file.display();
                        assign::set(&mut linked, assignment)
                            .map_err(|error| Stop::Usage(format!("{place}: {error}")))?;
                    }
                    let names = linked.plan.programs.iter().map(|program| &program.name);
                    has.extend(names.chain(linked.refused.iter().map(|(name, _)| name)).cloned());
                    tests.extend(self.programs(file, &linked)?);
                }
                Err(error) => {
                    errln!("error: {}: {error}", file.display());
                    unreadable = true;
                }
            }
        }
        if has.is_empty() && unreadable {
            return Err(Stop::Usage("no file is an object for BPF".to_owned()).into());
        }
        if has.is_empty() {
            return Err(Stop::CaseFailed(LinkError::NoProgram.to_string()).into());
        }
        if tests.is_empty() {
            return Err(self.no_program(&self.files[0], has.iter().map(String::as_str)));
        }
        Ok((tests, unreadable))
    }

    /// The programs of an object that were asked for. Says what else is to be known about it.
    fn programs(&self, file: &Path, linked: &Linked) -> Result<Vec<ObjectTest>> {
        let Linked { refused, errors, notes, .. } = linked;
        let place = file.display();
        let told = |error: &LinkError| refused.iter().any(|(_, reason)| reason == error);
        errors.iter().filter(|error| !told(error)).for_each(|error| errln!("{place}: {error}"));
        notes.iter().for_each(|note| errln!("{place}: {note}"));
        for (name, error) in refused.iter().filter(|(name, _)| !self.wants(name)) {
            errln!("{place}: {name} is not linked: {error}");
        }
        let (ctx, fields) = self.context()?;
        let given = Given {
            ctx,
            fields,
            packet: self.packet.clone().map(|bytes| bytes.0),
            log_level: self.log.unwrap_or_default(),
        };
        Ok(object::tests(file, linked, &given, &|name| self.wants(name)))
    }

    /// The context, or its fields.
    fn context(&self) -> Result<(Option<Vec<u8>>, Option<String>)> {
        match &self.ctx {
            Some(text) if !text.starts_with('@') && text.contains('=') => {
                Ok((None, Some(text.clone())))
            }
            Some(text) => {
                let given =
                    bytes(text).map_err(|why| Stop::Usage(format!("--ctx {text}: {why}")))?;
                Ok((Some(given.0), None))
            }
            None => Ok((None, None)),
        }
    }

    fn wants(&self, program: &str) -> bool {
        self.prog.as_deref().is_none_or(|prog| prog == program)
    }

    fn no_program<'a>(&self, file: &Path, has: impl Iterator<Item = &'a str>) -> anyhow::Error {
        let names: Vec<&str> = has.collect();
        let prog = self.prog.as_deref().unwrap_or_default();
        let file = file.display();
        Stop::Usage(format!("{file} has no program {prog}; it has {}", names.join(", "))).into()
    }

    fn annotated<'a>(&self, reference: &'a Reference) -> Result<Vec<AnnotatedTest<'a>>> {
        let mut tests = Vec::new();
        let mut has = Vec::new();
        for file in &self.files {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let object =
                Annotated::read(&name, &read(file)?, true).map_err(|error| refused(file, error))?;
            let wanted = |test: &str| self.wants(test.rsplit('/').next().unwrap_or_default());
            tests.extend(object.wanted("", &wanted, reference));
            has.extend(object.names().map(str::to_owned));
        }
        if self.prog.is_some() && !has.iter().any(|name| self.wants(name)) {
            return Err(self.no_program(&self.files[0], has.iter().map(String::as_str)));
        }
        Ok(tests)
    }
}

fn object_run(finished: Finished) -> Option<ObjectRun> {
    match finished.sort {
        Sort::Object(run) => Some(*run),
        _ => None,
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file)
        .map_err(|error| Stop::Usage(format!("failed to read {}: {error}", file.display())).into())
}

fn refused(file: &Path, error: impl std::fmt::Display) -> Stop {
    Stop::Usage(format!("{}: {error}", file.display()))
}

fn print_json(results: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, results).context("failed to print the results")?;
    writeln!(out).context("failed to print the results")
}

/// Bytes in hexadecimal, with or without blanks between them, or the contents of `@FILE`.
fn bytes(text: &str) -> Result<Bytes, String> {
    if let Some(file) = text.strip_prefix('@') {
        return std::fs::read(file).map(Bytes).map_err(|error| format!("{file}: {error}"));
    }
    let digits: Vec<u8> = text.bytes().filter(|byte| !b" :_".contains(byte)).collect();
    let pair = |pair: &[u8]| {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let [high, low] = pair else { return None };
        Some((digit(*high)? << 4 | digit(*low)?) as u8)
    };
    digits
        .chunks(2)
        .map(pair)
        .collect::<Option<Vec<u8>>>()
        .map(Bytes)
        .ok_or_else(|| "bytes are two hexadecimal digits each; a file is named as @FILE".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_hexadecimal_or_a_file() {
        let given = |text: &str| bytes(text).map(|bytes| bytes.0);
        assert_eq!(given("00ff10").unwrap(), [0, 255, 16]);
        assert_eq!(given("00 ff:10").unwrap(), [0, 255, 16]);
        assert!(given("").unwrap().is_empty());
        assert!(given("0").unwrap_err().contains("@FILE"));
        assert!(given("+1").is_err() && given("zz").is_err());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("packet");
        std::fs::write(&file, [7, 8]).unwrap();
        assert_eq!(given(&format!("@{}", file.display())).unwrap(), [7, 8]);
        assert!(given("@/no/such/file").unwrap_err().contains("/no/such/file"));
    }
}
