//! Runs a single case manually, from a file written by the host, and prints the outcome: `bpf-case
//! NAME [MODE] [--hold]`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::process::ExitCode;

use bpf_wire::{Batch, Decoder, Failure, Mode, Output, Request, Step};
use nix::errno::Errno;

use crate::batch;
use crate::channel::Sender;
use crate::kernel::Kernel;

/// Program name that selects this.
pub(crate) const NAME: &str = "bpf-case";

/// Folder of the cases, by name: each a record of a `Request::Batch`.
const CASES: &str = "/cases";

const USAGE: &str = "usage: bpf-case NAME [interp|jit|jit-hardened] [--hold]
NAME is the name of a case, such as callx/one_callee; they are all under /cases.
--hold keeps programs and maps until Enter, so that bpftool finds them.
Exit status: 0 the kernel took every step, 1 it refused one, 2 wrong usage, 3 something else.";

/// Bytes of memory and map elements to show.
const SHOWN: usize = 64;

/// The command line.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    name: String,
    mode: Mode,
    hold: bool,
}

/// Runs a case according to the command line.
pub(crate) fn run(args: impl Iterator<Item = String>) -> ExitCode {
    let Some(wish) = parse(args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match read(&wish.name).and_then(|batch| execute(Batch { mode: wish.mode, ..batch }, wish.hold))
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{NAME}: {error}");
            ExitCode::from(3)
        }
    }
}

fn parse(args: impl Iterator<Item = String>) -> Option<Wish> {
    let mut wish = Wish { name: String::new(), mode: Mode::Jit, hold: false };
    for arg in args {
        let mode = Mode::ALL.into_iter().find(|mode| mode.name() == arg);
        match (arg.as_str(), mode) {
            ("--hold", _) => wish.hold = true,
            (_, Some(mode)) => wish.mode = mode,
            (name, None) if wish.name.is_empty() && !name.starts_with('-') => wish.name = arg,
            _ => return None,
        }
    }
    (!wish.name.is_empty()).then_some(wish)
}

fn read(name: &str) -> Result<Batch, String> {
    let path = format!("{CASES}/{name}");
    let bytes = fs::read(&path).map_err(|e| {
        format!("failed to read {path}: {e}; `find {CASES} -type f` lists the cases")
    })?;
    let mut decoder = Decoder::new();
    decoder.push(&bytes);
    match decoder.pop().map_err(|e| format!("failed to understand {path}: {e}"))?.map(|it| it.body)
    {
        Some(Request::Batch(batch)) => Ok(batch),
        _ => Err(format!("{path} holds no batch")),
    }
}

/// Executes a batch and prints the outcome; returns whether every step succeeded.
fn execute(batch: Batch, hold: bool) -> Result<bool, String> {
    // A batch may send records, which nobody reads here.
    let nobody = File::options().write(true).open("/dev/null");
    let sender = Sender::new(nobody.map_err(|e| format!("failed to open /dev/null: {e}"))?);
    println!("{} in {}", batch.name, batch.mode.name());
    let names: Vec<String> = batch.steps.iter().map(describe).collect();
    let mut taken = true;
    batch::execute_then(&mut Kernel::default(), &sender, batch, |outcomes| {
        for (name, outcome) in names.iter().zip(outcomes) {
            print!("{}", tell(name, outcome));
            taken &= outcome.is_ok();
        }
        if hold {
            wait();
        }
    })?;
    Ok(taken)
}

/// Waits for a line or the end of the input.
fn wait() {
    println!("programs and maps stay until Enter");
    let _ = io::stdout().flush();
    let mut byte = [0];
    while matches!(io::stdin().read(&mut byte), Ok(1)) && byte != *b"\n" {}
}

/// A step in the kernel's terms.
fn describe(step: &Step) -> String {
    match step {
        Step::LoadBtf { .. } => "BPF_BTF_LOAD".to_owned(),
        Step::CreateMap(map) => format!("BPF_MAP_CREATE of {}", map.name),
        Step::UpdateElem { map, .. }
        | Step::UpdateProgArray { map, .. }
        | Step::UpdateMapOfMaps { map, .. } => {
            format!("BPF_MAP_UPDATE_ELEM of map {map}")
        }
        Step::DeleteElem { map, .. } => format!("BPF_MAP_DELETE_ELEM of map {map}"),
        Step::Freeze { map } => format!("BPF_MAP_FREEZE of map {map}"),
        Step::LoadProgram(load) => format!("BPF_PROG_LOAD of {}", load.name),
        Step::TestRun { prog, .. } => format!("BPF_PROG_TEST_RUN of program {prog}"),
        Step::DumpMap { map } => format!("elements of map {map}"),
        Step::LookupElem { map, .. } => format!("BPF_MAP_LOOKUP_ELEM of map {map}"),
        Step::LookupBatch { map } => format!("BPF_MAP_LOOKUP_BATCH of map {map}"),
        Step::ReadMapped { map } => format!("mmap(2) of map {map}"),
        Step::Attempt(step) | Step::Without(_, step) => describe(step),
        // Cases do not have other steps.
        _ => "step".to_owned(),
    }
}

/// The outcome of a step; empty if there is nothing to print.
fn tell(name: &str, outcome: &Result<Output, Failure>) -> String {
    let refused = |failure: &Failure| {
        let errno = failure.errno;
        let log = failure.log.trim_end();
        let log = if log.is_empty() { String::new() } else { format!("{log}\n") };
        format!("{name}: refused with {}\n{log}", errno_name(errno))
    };
    match outcome {
        Err(failure) | Ok(Output::Attempted(Some(failure))) => refused(failure),
        Ok(Output::Attempted(None)) => format!("{name}: accepted\n"),
        Ok(Output::Loaded { log, jited_len, xlated_len, verified_insns, .. }) => {
            let code = match jited_len {
                0 => "interpreted".to_owned(),
                bytes => format!("{bytes} bytes of machine code"),
            };
            format!(
                "{name}: accepted; {verified_insns} instructions verified, {} slots translated, \
                 {code}\n{log}",
                xlated_len / 8
            )
        }
        Ok(Output::Ran { retval, data, ctx }) => {
            let mut text = format!("{name}: returned {retval} ({retval:#x})\n");
            for (what, bytes) in [("packet", data), ("context", ctx)] {
                if !bytes.is_empty() {
                    let _ = writeln!(text, "  {what} {}", hex(bytes));
                }
            }
            text
        }
        Ok(Output::Elements(elements)) => {
            let mut text = format!("{name}: {}\n", elements.len());
            for (key, value) in elements.iter().take(SHOWN) {
                let _ = writeln!(text, "  {}: {}", hex(key), hex(value));
            }
            text
        }
        Ok(Output::Bytes(bytes)) => format!("{name}: {}\n", hex(bytes)),
        Ok(_) => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text: Vec<String> =
        bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > SHOWN {
        text.push(format!("... of {} bytes", bytes.len()));
    }
    text.join(" ")
}

fn errno_name(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => format!("errno {errno}"),
        name => format!("{name:?} ({errno})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(line: &str) -> Option<Wish> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_case_has_a_name_and_perhaps_a_mode() {
        let name = "callx/one".to_owned();
        assert_eq!(
            wish("callx/one"),
            Some(Wish { name: name.clone(), mode: Mode::Jit, hold: false })
        );
        let all = Wish { name, mode: Mode::JitHardened, hold: true };
        assert_eq!(wish("jit-hardened --hold callx/one"), Some(all));
        assert_eq!(wish("callx/one other"), None);
        assert_eq!(wish("callx/one --help"), None);
        assert_eq!(wish("jit"), None);
    }

    #[test]
    fn what_came_of_a_step_is_said_in_words() {
        let failure = Failure { errno: 22, log: "why\n".to_owned() };
        assert_eq!(tell("load", &Err(failure)), "load: refused with EINVAL (22)\nwhy\n");
        let ran = Output::Ran { retval: 42, data: vec![], ctx: vec![1, 255] };
        assert_eq!(tell("run", &Ok(ran)), "run: returned 42 (0x2a)\n  context 01 ff\n");
        let loaded = Output::Loaded {
            log: String::new(),
            jited_len: 0,
            xlated_len: 24,
            verified_insns: 2,
            xlated: vec![],
            jited: vec![],
            jited_funcs: vec![],
        };
        assert_eq!(
            tell("load", &Ok(loaded)),
            "load: accepted; 2 instructions verified, 3 slots translated, interpreted\n"
        );
        assert_eq!(tell("map", &Ok(Output::Done)), "");
        assert_eq!(errno_name(524), "errno 524");
        assert!(hex(&[0; 100]).ends_with("00 ... of 100 bytes"));
    }
}
