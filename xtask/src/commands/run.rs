//! `cargo xtask run`: loads an object file that anyone made into the guest, and says what came of it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bpf_model::Input;
use bpf_object::{LoadPlan, ProgramPlan};
use bpf_wire::Mode;
use clap::Args;
use serde::Serialize;

use crate::cli::{self, GuestArgs};
use harness_host::exit::{Status, Stop};
use harness_host::ui;
use harness_host::ui::{errln, out};
use harness_report::{object as shown, terminal};
use harness_results::record::{Counts, Record, Verdict};
use harness_suites::guest::Guest;
use harness_suites::object::{self, Execution, Options};
use harness_suites::start::{Started, start};
use harness_suites::verifier::object::{Annotated, Rules};

/// Options of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask run prog.o                            every program of the object, on zeros
  cargo xtask run prog.o --prog main --ctx 0100     one of them, on a context of two bytes
  cargo xtask run prog.o --packet @packet.bin       on a packet from a file
  cargo xtask run prog.o --mode jit --log 2         with all that the verifier has to say
  cargo xtask run --annotated verifier_gotox.o      judged by its own annotations

Exit status: 0 the program ran and all executions agree, or every annotated test passed; 1 the kernel
refused it, executions differ, or a test failed; 2 wrong usage or no object that can be linked;
69 the host lacks something; 70 the harness itself failed.")]
pub(crate) struct Run {
    /// Object files for BPF, made by clang, rustc or anything else.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only the program of this name.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// Context: bytes in hexadecimal, or @FILE.
    #[arg(long, value_name = "HEX|@FILE", value_parser = bytes, conflicts_with = "annotated")]
    ctx: Option<Bytes>,
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

/// What one program gave.
#[derive(Debug, Serialize)]
struct Outcome {
    file: PathBuf,
    program: String,
    prog_type: u32,
    executions: Vec<Execution>,
    problems: Vec<String>,
}

/// Program types that are run on a packet (`net/bpf/test_run.c`): socket filters, sched_cls,
/// sched_act, XDP, cgroup_skb, the light-weight tunnels, the flow dissector, netfilter.
const TAKE_PACKET: [u32; 11] = [1, 3, 4, 6, 8, 10, 11, 12, 19, 22, 32];

/// Bytes of the packet where none is given.
const PACKET_LEN: usize = 64;

impl Run {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let modes: Vec<Mode> = match self.mode.as_slice() {
            [] => Mode::ALL.to_vec(),
            some => some.to_vec(),
        };
        if self.annotated { self.annotated(&modes) } else { self.plain(&modes) }
    }

    fn plain(&self, modes: &[Mode]) -> Result<Status> {
        let mut plans = Vec::new();
        for file in &self.files {
            let plan = bpf_object::link(&read(file)?).map_err(|error| refused(file, error))?;
            plans.extend(self.programs(file, &plan)?.into_iter().map(|plan| (file, plan)));
        }
        let Started { mut guest, .. } = start(&self.on.on())?;
        let mut results = Vec::new();
        for (file, plan) in &plans {
            let result = self.program(file, plan, modes, &mut guest)?;
            if !self.json {
                let Outcome { executions, problems, .. } = &result;
                let options = self.options(&plan.programs[0]);
                let text = shown::program(
                    &plan.programs[0],
                    executions,
                    problems,
                    &options,
                    ui::stdout_coloured(),
                );
                out!("{text}");
            }
            results.push(result);
        }
        guest.end()?;
        if self.json {
            print_json(&results)?;
        }
        let passed = results.iter().all(|result| result.problems.is_empty());
        Ok(if passed { Status::Passed } else { Status::CaseFailed })
    }

    /// A plan for each program that was asked for, with the program first.
    fn programs(&self, file: &Path, plan: &LoadPlan) -> Result<Vec<LoadPlan>> {
        let wanted = |name: &str| self.prog.as_deref().is_none_or(|prog| prog == name);
        let found: Vec<LoadPlan> = (0..plan.programs.len())
            .filter(|&index| wanted(&plan.programs[index].name))
            .map(|index| with_tail_calls(plan, index))
            .collect();
        if found.is_empty() {
            return Err(self.no_program(file, plan.programs.iter().map(|it| it.name.as_str())));
        }
        Ok(found)
    }

    fn no_program<'a>(&self, file: &Path, has: impl Iterator<Item = &'a str>) -> anyhow::Error {
        let names: Vec<&str> = has.collect();
        let prog = self.prog.as_deref().unwrap_or_default();
        let file = file.display();
        Stop::Usage(format!("{file} has no program {prog}; it has {}", names.join(", "))).into()
    }

    fn program(
        &self,
        file: &Path,
        plan: &LoadPlan,
        modes: &[Mode],
        guest: &mut Guest,
    ) -> Result<Outcome> {
        let program = &plan.programs[0];
        let options = self.options(program);
        let mut executions = Vec::new();
        for mode in modes {
            executions.push(object::execute(plan, &options, *mode, guest)?);
        }
        executions.push(object::model(plan, &options));
        Ok(Outcome {
            file: file.to_owned(),
            program: program.name.clone(),
            prog_type: program.prog_type,
            problems: object::compare(&executions),
            executions,
        })
    }

    fn options(&self, program: &ProgramPlan) -> Options {
        let bytes = |given: &Option<Bytes>| given.clone().map(|bytes| bytes.0);
        let default = match TAKE_PACKET.contains(&program.prog_type) {
            true => vec![0; PACKET_LEN],
            false => Vec::new(),
        };
        let input = Input {
            ctx: bytes(&self.ctx).unwrap_or_default(),
            packet: bytes(&self.packet).unwrap_or(default),
        };
        Options { input, log_level: self.log.unwrap_or_default() }
    }

    fn annotated(&self, modes: &[Mode]) -> Result<Status> {
        let mut objects = Vec::new();
        for file in &self.files {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let object =
                Annotated::read(&name, &read(file)?, true).map_err(|error| refused(file, error))?;
            objects.push(object);
        }
        if self.prog.is_some() && !objects.iter().any(|object| self.wanted(object).next().is_some())
        {
            let has =
                objects.iter().flat_map(|it| (0..it.programs()).filter_map(|at| it.program(at)));
            return Err(self.no_program(&self.files[0], has));
        }
        let Started { mut guest, .. } = start(&self.on.on())?;
        let clock = std::time::Instant::now();
        let rules = Rules { prefix: "", modes };
        let mut records: Vec<Record> = Vec::new();
        for object in &objects {
            for (program, reason) in object.refused() {
                if self.prog.as_ref().is_none_or(|prog| prog == program) {
                    errln!("skipped {}/{program}: {reason}", object.name);
                }
            }
            for program in self.wanted(object) {
                let ran = object.run(program, &rules, &mut guest)?;
                if !self.json {
                    for of_test in ran.chunk_by(|one, other| one.name == other.name) {
                        out!("{}", annotated(of_test));
                    }
                }
                records.extend(ran);
            }
        }
        guest.end()?;
        let counts = Counts::of(&records);
        if self.json {
            print_json(&records)?;
        } else {
            let seconds = clock.elapsed().as_secs_f64();
            out!("{}", terminal::summary(&records, counts, seconds));
        }
        Ok(counts.status())
    }

    fn wanted<'a>(&'a self, object: &'a Annotated) -> impl Iterator<Item = usize> + 'a {
        let wanted = |program: &usize| {
            self.prog.is_none() || self.prog.as_deref() == object.program(*program)
        };
        (0..object.programs()).filter(wanted)
    }
}

/// One test: a line where it passed in all modes, else its problems.
fn annotated(records: &[Record]) -> String {
    let Some(first) = records.first() else { return String::new() };
    let bad = |record: &&Record| record.is_bad();
    if records.iter().any(|record| bad(&record)) {
        return shown::annotated(&first.name, records);
    }
    let modes: Vec<&str> = records.iter().map(|record| record.mode).collect();
    let verdict = match first.verdict {
        Verdict::Skipped => "skipped",
        _ => "passed ",
    };
    let notes = match first.notes.as_slice() {
        [] => String::new(),
        notes => format!(" ({})", notes.join(", ")),
    };
    format!("{verdict} {} in {}{notes}\n", first.name, modes.join(", "))
}

/// One program, first in its plan, with those that the prog arrays it uses hold.
fn with_tail_calls(plan: &LoadPlan, program: usize) -> LoadPlan {
    let mut wanted = vec![program];
    let mut next = 0;
    while let Some(&at) = wanted.get(next) {
        next += 1;
        for reference in &plan.programs[at].map_refs {
            for &(_, held) in plan.maps.get(reference.map).map_or(&[][..], |map| &map.programs) {
                if !wanted.contains(&held) {
                    wanted.push(held);
                }
            }
        }
    }
    plan.restricted_to(&wanted)
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

    #[test]
    fn a_program_comes_with_those_that_it_may_tail_call() {
        let plan = bpf_object::compile(
            "
            .map jumps prog_array key=4 value=4 entries=1: third
            .prog first syscall
                exit
            .prog second syscall
                r1 = jumps ll
                exit
            .prog third syscall
                exit
            ",
        )
        .unwrap();
        let names = |plan: LoadPlan| {
            plan.programs.into_iter().map(|program| program.name).collect::<Vec<_>>()
        };
        assert_eq!(names(with_tail_calls(&plan, 0)), ["first"]);
        let second = with_tail_calls(&plan, 1);
        assert_eq!(second.maps[0].programs, [(0, 1)]);
        assert_eq!(names(second), ["second", "third"]);
    }

    #[test]
    fn a_test_that_held_is_one_line() {
        let records = [Record::new("f/t", Mode::Interp), Record::new("f/t", Mode::Jit)];
        assert_eq!(annotated(&records), "passed  f/t in interp, jit\n");
        let mut failed = records.clone();
        failed[1].verdict = Verdict::Failed;
        failed[1].problems.push("why".to_owned());
        assert_eq!(annotated(&failed), "FAILED f/t\n  interp: passed\n  jit: failed\n    why\n");
    }
}
