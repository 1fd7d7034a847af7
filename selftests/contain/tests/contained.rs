//! Real logs of a kernel with the series (7.3.4), and the programs that they are of.

use bpf_contain::{Checker, Counts, Log, Violation};
use bpf_model::{Input, Machine};
use bpf_object::compile;

/// A program in the assembler's notation, and what the verifier printed of it.
struct Sample {
    source: &'static str,
    log: &'static str,
}

macro_rules! sample {
    ($name:literal) => {
        Sample {
            source: include_str!(concat!("logs/", $name, ".s")),
            log: include_str!(concat!("logs/", $name, ".log")),
        }
    };
}

/// Runs a program on two words of context each, and follows it through the log.
fn follow(sample: &Sample, log: &str, contexts: &[[u64; 2]]) -> (Counts, Option<Violation>) {
    let plan = compile(sample.source).expect("it compiles");
    let log = Log::read(log, &plan.programs[0].insns);
    assert_eq!((log.parsed.unparsed, log.parsed.lines, log.parsed.lost), (0, 0, 0), "{log:?}");
    let logs = [Some(log)];
    let mut checker = Checker::new(&plan, &logs);
    let mut machine = Machine::new(&plan).expect("it has no maps that fail");
    for words in contexts {
        let ctx = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        checker.begin();
        machine
            .run_observed(0, &Input { ctx, packet: vec![] }, 1 << 16, &mut checker)
            .expect("it does not trap");
    }
    (checker.counts, checker.violation)
}

const CONTEXTS: [[u64; 2]; 6] = [[0, 0], [1, 8], [2, 1], [100, 0], [u64::MAX, 3], [7, u64::MAX]];

#[test]
fn what_the_kernel_printed_holds() {
    let samples = [sample!("linked"), sample!("called_twice"), sample!("meet"), sample!("spill")];
    for sample in samples {
        let (counts, violation) = follow(&sample, sample.log, &CONTEXTS);
        assert_eq!(violation, None, "{}", sample.source);
        assert!(counts.steps > 40 && counts.strong > counts.steps, "{counts:?}");
        assert_eq!(counts.given_up, 0);
    }
}

/// What is found in a log with some text in place of another.
fn changed(sample: &Sample, from: &str, to: &str) -> Option<String> {
    assert!(sample.log.contains(from), "{from}");
    let log = sample.log.replace(from, to);
    follow(sample, &log, &CONTEXTS).1.map(|violation| violation.to_string())
}

#[test]
fn a_claim_that_is_too_narrow_is_found() {
    let found = changed(&sample!("linked"), "=108,", "=107,");
    assert!(found.unwrap().contains("outside of umin to umax"));
}

#[test]
fn a_target_that_was_left_out_is_found() {
    let sample = sample!("called_twice");
    let found = follow(&sample, sample.log.split("\nfrom 14 to 15").next().unwrap(), &CONTEXTS).1;
    assert!(found.unwrap().what.contains("no state was printed"));
}

#[test]
fn a_state_that_was_taken_for_another_is_found() {
    // The path with the other number ends where the two meet.
    let sample = sample!("meet");
    let at = sample.log.find("\nfrom 6 to 8:").unwrap();
    let log = format!("{}\nfrom 6 to 8: safe\n", &sample.log[..at]);
    let found = follow(&sample, &log, &CONTEXTS).1.unwrap();
    assert!(found.what.starts_with("R4=fp"), "{found}");
}

#[test]
fn a_spill_that_was_overwritten_is_found() {
    let found = changed(&sample!("spill"), "fp-8=mmmmmmmm", "fp-8=5");
    assert!(found.unwrap().contains("fp-8=5 is"));
}
