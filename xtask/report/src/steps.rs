//! The model's way through a program, as text.

use std::fmt::Write;

use harness_results::trace::{Step, Trace};

/// Bytes of an input that are shown.
const SHOWN_INPUT: usize = 64;

/// A trace as text, with its last `shown` steps; nothing for none.
pub fn text(trace: &Trace, shown: usize) -> String {
    let mut text = String::new();
    if shown == 0 {
        return text;
    }
    let skipped = trace.steps.len().saturating_sub(shown);
    let _ = write!(text, "  the model in {}", trace.what);
    for (name, bytes) in [("context", &trace.context), ("packet", &trace.packet)] {
        if !bytes.is_empty() {
            // Three characters a byte.
            let (cut, more) = match bytes.get(..3 * SHOWN_INPUT) {
                Some(cut) => (cut, "…"),
                None => (bytes.as_str(), ""),
            };
            let _ = write!(text, ", {name} [{cut}{more}]");
        }
    }
    if trace.runs_before > 0 {
        let _ = write!(text, ", after {} other runs on the same maps", trace.runs_before);
    }
    text.push_str(":\n");
    let left_out = trace.left_out + skipped as u64;
    if left_out > 0 {
        let _ = writeln!(text, "    … {left_out} steps left out; --trace N shows the last N");
    }
    let shown = &trace.steps[skipped..];
    let programs = shown.windows(2).any(|pair| pair[0].program != pair[1].program);
    let lines: Vec<String> = shown.iter().map(|step| line(step, programs)).collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default().min(44);
    for (step, line) in shown.iter().zip(lines) {
        let values: Vec<String> = step
            .changed
            .iter()
            .map(|change| format!("r{} = {}", change.reg, change.value))
            .collect();
        if values.is_empty() {
            let _ = writeln!(text, "    {line}");
        } else {
            let _ = writeln!(text, "    {line:<width$}  ; {}", values.join(", "));
        }
    }
    if let Some(r0) = &trace.r0 {
        let _ = writeln!(text, "    returns r0 = {r0}");
    }
    if let Some(trap) = &trace.trap {
        let _ = writeln!(text, "    traps: {trap}");
    }
    text
}

fn line(step: &Step, program: bool) -> String {
    let of = if program { format!("program {} ", step.program) } else { String::new() };
    format!("{of}{:>4}: {}{}", step.slot, "  ".repeat(step.depth), step.insn)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use harness_results::trace::Changed;

    fn step(slot: usize, insn: &str, changed: &[(u8, &str)]) -> Step {
        let changed =
            changed.iter().map(|&(reg, value)| Changed { reg, value: value.to_owned() }).collect();
        Step { program: 0, slot, depth: 0, insn: insn.to_owned(), changed }
    }

    fn trace() -> Trace {
        Trace {
            case: "t/case".into(),
            what: "run 1".into(),
            runs_before: 1,
            context: "01 00".into(),
            packet: String::new(),
            left_out: 5,
            steps: vec![
                step(5, "(bf) r1 = r10", &[(1, "stack frame 0 +0")]),
                step(6, "(7b) *(u64 *)(r1 -8) = r6", &[]),
                Step { depth: 1, ..step(9, "(b7) r0 = 1", &[(0, "0x1"), (2, "insn 4")]) },
            ],
            r0: Some("0x1".into()),
            trap: None,
        }
    }

    /// A trace after a line that is not indented, which keeps the indentation of the others.
    fn shown(trace: &Trace, steps: usize) -> String {
        format!("trace\n{}", text(trace, steps))
    }

    #[test]
    fn a_trace_shows_input_path_values_and_result() {
        expect![[r#"
            trace
              the model in run 1, context [01 00], after 1 other runs on the same maps:
                … 5 steps left out; --trace N shows the last N
                   5: (bf) r1 = r10              ; r1 = stack frame 0 +0
                   6: (7b) *(u64 *)(r1 -8) = r6
                   9:   (b7) r0 = 1              ; r0 = 0x1, r2 = insn 4
                returns r0 = 0x1
        "#]]
        .assert_eq(&shown(&trace(), 20));
    }

    #[test]
    fn as_many_steps_are_shown_as_asked_for() {
        expect![[r#"
            trace
              the model in run 1, context [01 00], after 1 other runs on the same maps:
                … 7 steps left out; --trace N shows the last N
                   9:   (b7) r0 = 1  ; r0 = 0x1, r2 = insn 4
                returns r0 = 0x1
        "#]]
        .assert_eq(&shown(&trace(), 1));
        assert_eq!(text(&trace(), 0), "");
    }

    #[test]
    fn a_trap_ends_a_trace_and_programs_are_told_apart() {
        let mut trace = Trace { r0: None, trap: Some("it is wrong".into()), ..trace() };
        trace.steps[2].program = 1;
        expect![[r#"
            trace
              the model in run 1, context [01 00], after 1 other runs on the same maps:
                … 5 steps left out; --trace N shows the last N
                program 0    5: (bf) r1 = r10              ; r1 = stack frame 0 +0
                program 0    6: (7b) *(u64 *)(r1 -8) = r6
                program 1    9:   (b7) r0 = 1              ; r0 = 0x1, r2 = insn 4
                traps: it is wrong
        "#]]
        .assert_eq(&shown(&trace, 20));
    }

    #[test]
    fn long_inputs_are_cut_and_a_run_without_steps_is_none() {
        let context = vec!["ab"; 100].join(" ");
        let trace = Trace { context, steps: vec![], left_out: 0, ..trace() };
        expect![[r#"
            trace
              the model in run 1, context [ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab …], after 1 other runs on the same maps:
                returns r0 = 0x1
        "#]].assert_eq(&shown(&trace, 20));
    }
}
