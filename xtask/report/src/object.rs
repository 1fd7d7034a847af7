//! What is said of an object's programs: a line for each execution, and the verifier's log with the
//! line that decided.

use std::fmt::Write;

use super::terminal;
use harness_results::notation::hex;
use harness_results::object::{Execution, ObjectRun, Outcome, Ran, Written};
use harness_results::record::{Record, Verdict};

/// Lines of a log that are shown before those that decided.
const SHOWN_BEFORE: usize = 20;

/// Bytes of memory that are shown.
const SHOWN_BYTES: usize = 64;

/// Elements of a map that are shown.
const SHOWN_ELEMENTS: usize = 8;

/// `enum bpf_prog_type` of `include/uapi/linux/bpf.h`, in lower case.
const TYPES: [&str; 33] = [
    "unspec",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "sock_ops",
    "sk_skb",
    "cgroup_device",
    "sk_msg",
    "raw_tracepoint",
    "cgroup_sock_addr",
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
    "tracing",
    "struct_ops",
    "ext",
    "lsm",
    "sk_lookup",
    "syscall",
    "netfilter",
];

/// One program: what each execution gave, and what is wrong with that. With `whole_log`, the log of
/// accepted programs too.
pub fn program(run: &ObjectRun, whole_log: bool, colour: bool) -> String {
    let ObjectRun { executions, problems, prog_type, .. } = run;
    if let Some(reason) = &run.left_out {
        return format!("{}: {}\n", run.program, painted(reason, "1", colour));
    }
    let name = TYPES.get(*prog_type as usize).copied().unwrap_or("unknown type");
    let functions = match run.functions {
        1 => "1 function".to_owned(),
        count => format!("{count} functions"),
    };
    let mut text = format!("{}: {name}, {} slots, {functions}\n", run.program, run.slots);
    let mut shown: Vec<&str> = Vec::new();
    for execution in executions {
        let _ = writeln!(text, "  {:<13} {}", execution.by, said(execution));
        let refused = matches!(execution.outcome, Outcome::Refused { .. });
        let log = execution.log.trim_end();
        // The modes mostly say the same.
        if !log.is_empty() && (refused || whole_log) && !shown.contains(&log) {
            shown.push(log);
            self::log(log, refused, whole_log, colour, &mut text);
        }
    }
    if let Some(ran) = executions.iter().find_map(ran) {
        memory(&ran, run, &mut text);
    }
    // What is wrong with one execution stands in its line.
    let of_one = |execution: &Execution| format!("{}: {}", execution.by, said(execution));
    let of_one: Vec<String> = executions.iter().map(of_one).collect();
    for problem in problems.iter().filter(|problem| !of_one.contains(problem)) {
        let _ = writeln!(text, "  {}", painted(problem, "1;31", colour));
    }
    text
}

fn ran(execution: &Execution) -> Option<Ran> {
    match &execution.outcome {
        Outcome::Ran(ran) => Some(ran.clone()),
        _ => None,
    }
}

fn said(execution: &Execution) -> String {
    let machine_code = match execution.jited_len {
        0 => String::new(),
        len => format!(", {len} bytes of machine code"),
    };
    match &execution.outcome {
        Outcome::Ran(Ran { returned, kernels_choice, .. }) => {
            let choice = match kernels_choice {
                Some(what) => format!(", which depends on {what}: not compared"),
                None => String::new(),
            };
            format!("returned {returned:#x} ({}){machine_code}{choice}", returned.cast_signed())
        }
        Outcome::Loaded { reason } => format!("loaded{machine_code}; not run: {reason}"),
        Outcome::Skipped { reason } => format!("skipped: {reason}"),
        Outcome::Refused { what, .. } => what.clone(),
        Outcome::Trapped { why, unsound: true } => format!("trapped: {why}"),
        Outcome::Trapped { why, unsound: false } => format!("says nothing: {why}"),
        Outcome::Died { why } => why.clone(),
    }
}

/// A log, from some lines before the ones that decided, with those marked.
fn log(log: &str, refused: bool, whole: bool, colour: bool, text: &mut String) {
    let lines: Vec<&str> = log.lines().collect();
    let decide = if refused { deciding(&lines) } else { Vec::new() };
    let from = match decide.first() {
        Some(first) if !whole => first.saturating_sub(SHOWN_BEFORE),
        _ => 0,
    };
    if from > 0 {
        let _ =
            writeln!(text, "    | … {from} lines of the verifier log left out; --log 1 shows all");
    }
    for (number, line) in lines.iter().enumerate().skip(from) {
        let _ = match decide.contains(&number) {
            true => writeln!(text, "    > {}", painted(line, "1;31", colour)),
            false => writeln!(text, "    | {line}"),
        };
    }
}

/// The lines that say why a program was refused: the last one that is not statistics, and the
/// headline where the verifier explains itself after that.
fn deciding(lines: &[&str]) -> Vec<usize> {
    const EXPLAINED: &str = "Verification failed:";
    const STATISTICS: [&str; 5] =
        ["processed ", "verification time ", "stack depth ", "mark_precise:", "[the log has"];
    let headline = lines.iter().rposition(|line| line.starts_with(EXPLAINED));
    let message = lines[..headline.unwrap_or(lines.len())].iter().rposition(|line| {
        !line.trim().is_empty() && !STATISTICS.iter().any(|start| line.starts_with(start))
    });
    message.into_iter().chain(headline).collect()
}

/// What a run left: context and packet where it changed them, and the maps.
fn memory(ran: &Ran, before: &ObjectRun, text: &mut String) {
    let mut region = |what: &str, bytes: &[u8], before: &[u8]| {
        if bytes != before && !bytes.is_empty() {
            let more = if bytes.len() > SHOWN_BYTES { " …" } else { "" };
            let start = &bytes[..bytes.len().min(SHOWN_BYTES)];
            let _ = writeln!(text, "  {what:<13} {}{more}", hex(start));
        }
    };
    region("context", &ran.ctx, &before.ctx);
    region("packet", &ran.packet, &before.packet);
    for map in &ran.maps {
        let _ = writeln!(text, "  map {} ({} elements)", map.name, map.elements.len());
        for (key, value) in map.elements.iter().take(SHOWN_ELEMENTS) {
            let more = if value.len() > SHOWN_BYTES { " …" } else { "" };
            let value = &value[..value.len().min(SHOWN_BYTES)];
            let _ = writeln!(text, "    {}: {}{more}", hex(key), hex(value));
        }
        if map.elements.len() > SHOWN_ELEMENTS {
            let _ = writeln!(text, "    … {} more", map.elements.len() - SHOWN_ELEMENTS);
        }
    }
    for Written { name, records } in &ran.written {
        let _ = writeln!(text, "  map {name} ({} records written)", records.len());
        for record in records.iter().take(SHOWN_ELEMENTS) {
            let more = if record.len() > SHOWN_BYTES { " …" } else { "" };
            let _ = writeln!(text, "    {}{more}", hex(&record[..record.len().min(SHOWN_BYTES)]));
        }
        if records.len() > SHOWN_ELEMENTS {
            let _ = writeln!(text, "    … {} more", records.len() - SHOWN_ELEMENTS);
        }
    }
}

fn painted(line: &str, style: &str, colour: bool) -> String {
    if colour { format!("\x1b[{style}m{line}\x1b[0m") } else { line.to_owned() }
}

/// One annotated test, its log's end where it failed; one line where it passed in all modes.
pub fn annotated(records: &[Record]) -> String {
    let Some(first) = records.first() else { return String::new() };
    if records.iter().any(Record::is_bad) {
        let mut text = format!("FAILED {}\n", first.name);
        for record in records {
            terminal::verdict(record, &mut text);
            terminal::log_of(record, &mut text);
        }
        return text;
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

#[cfg(test)]
mod tests {
    use bpf_wire::Mode;
    use expect_test::expect;

    use super::*;

    const LOG: &str = "0: R1=ctx() R10=fp0\n0: (8d) callx r1\nR1 type=ctx expected=func\n\
                       processed 1 insns (limit 1000000)\n";

    fn refused() -> Execution {
        Execution {
            by: "jit",
            outcome: Outcome::Refused { what: "BPF_PROG_LOAD failed".to_owned(), load: true },
            jited_len: 0,
            log: LOG.to_owned(),
            problems: Vec::new(),
        }
    }

    fn shown(executions: &[Execution], whole: bool, colour: bool) -> String {
        let problems = ["jit: BPF_PROG_LOAD failed".to_owned(), "jit and model differ".to_owned()];
        let run = ObjectRun {
            file: "f.o".into(),
            program: "main".to_owned(),
            prog_type: 31,
            left_out: None,
            executions: executions.to_vec(),
            problems: problems.into(),
            slots: 2,
            functions: 1,
            ctx: Vec::new(),
            packet: Vec::new(),
        };
        program(&run, whole, colour)
    }

    #[test]
    fn the_deciding_line_stands_out_and_nothing_is_said_twice() {
        let of = |line: &str, differ: &str| {
            format!(
                "main: syscall, 2 slots, 1 function\n  jit           BPF_PROG_LOAD failed\n    | \
                 0: R1=ctx() R10=fp0\n    | 0: (8d) callx r1\n    > {line}\n    | processed 1 \
                 insns (limit 1000000)\n  {differ}\n"
            )
        };
        let (decides, differ) = ("R1 type=ctx expected=func", "jit and model differ");
        assert_eq!(shown(&[refused()], false, false), of(decides, differ));
        let red = |text| format!("\x1b[1;31m{text}\x1b[0m");
        assert_eq!(shown(&[refused()], false, true), of(&red(decides), &red(differ)));
        let twice = shown(&[refused(), refused()], false, false);
        assert_eq!(twice.matches("expected=func").count(), 1, "{twice}");
    }

    #[test]
    fn statistics_decide_nothing_and_an_explanation_has_its_headline() {
        let decides = |log: &str| deciding(&log.lines().collect::<Vec<_>>());
        assert_eq!(decides("why\nverification time 3 usec\nstack depth 0\nprocessed 1"), [0]);
        assert!(decides("processed 1 insns").is_empty() && decides("").is_empty());
        let explained =
            "0: exit\nR0 !read_ok\n\nVerification failed: x\n\nAt:\n  insn 0\nprocessed 1";
        assert_eq!(decides(explained), [1, 3]);
    }

    #[test]
    fn a_long_log_is_cut_unless_asked_for() {
        let mut execution = refused();
        execution.log = (0..100).map(|line| format!("line {line}\n")).collect();
        expect![[r#"
            main: syscall, 2 slots, 1 function
              jit           BPF_PROG_LOAD failed
                | … 79 lines of the verifier log left out; --log 1 shows all
                | line 79
                | line 80
                | line 81
                | line 82
                | line 83
                | line 84
                | line 85
                | line 86
                | line 87
                | line 88
                | line 89
                | line 90
                | line 91
                | line 92
                | line 93
                | line 94
                | line 95
                | line 96
                | line 97
                | line 98
                > line 99
              jit and model differ
        "#]]
        .assert_eq(&shown(std::slice::from_ref(&execution), false, false));
        assert_eq!(shown(&[execution], true, false).lines().count(), 103);
    }

    #[test]
    fn a_run_shows_what_it_returned_and_left() {
        let ran = Ran { returned: u32::MAX, ctx: vec![1, 2], ..Ran::default() };
        let execution = Execution {
            by: "jit",
            outcome: Outcome::Ran(ran),
            jited_len: 9,
            log: String::new(),
            problems: Vec::new(),
        };
        let text = shown(&[execution], false, false);
        assert_eq!(
            text,
            "main: syscall, 2 slots, 1 function\n  jit           returned 0xffffffff (-1), 9 bytes \
             of machine code\n  context       01 02\n  jit: BPF_PROG_LOAD failed\n  jit and model \
             differ\n"
        );
    }

    #[test]
    fn an_annotated_test_that_passed_is_one_line() {
        let records = [Record::new("f/t", Mode::Interp), Record::new("f/t", Mode::Jit)];
        assert_eq!(annotated(&records), "passed  f/t in interp, jit\n");
        let mut failed = records.clone();
        failed[1].verdict = Verdict::Failed;
        failed[1].problems.push("why".to_owned());
        assert_eq!(annotated(&failed), "FAILED f/t\n  interp: passed\n  jit: failed\n    why\n");
    }
}
