//! Recognises splats in the text of a console, line by line.
//!
//! Made after syzkaller's `pkg/report`: a table of patterns, the first that fits decides. A splat
//! stays open until its end marker, and meanwhile takes the details that complete its title and
//! the further complaints that are but its consequences.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::Splat;
use crate::failure::FailureKind;

/// How a line starts a splat. The title is the pattern's group `title`, or the whole line.
struct Pattern {
    kind: FailureKind,
    regex: Regex,
    /// Whether the function comes in a line `RIP:` further down.
    located: bool,
}

/// Kind, whether located by `RIP:`, pattern. Sources are the kernel's own, 7.3.
const PATTERNS: &[(FailureKind, bool, &str)] = &[
    // kernel/exit.c, do_exit(); init/main.c, kernel_init()
    (
        FailureKind::AgentDied,
        false,
        r"^Kernel panic - not syncing: (?<title>Attempted to kill init! exitcode=0x[0-9a-f]+|No working init found.*|Requested init .* failed.*)",
    ),
    // mm/oom_kill.c
    (
        FailureKind::OutOfMemory,
        false,
        r"^Kernel panic - not syncing: (?<title>Out of memory: .*|System is deadlocked on memory)",
    ),
    (FailureKind::OutOfMemory, false, r"^(?<title>Out of memory): Killed process"),
    (FailureKind::OutOfMemory, false, r"^(?<title>Out of memory and no killable processes)"),
    // arch/x86/kernel/nmi.c, pci_serr_error(): it was asked for
    (
        FailureKind::Panic,
        true,
        r"^(?<title>Kernel panic - not syncing: NMI: Not continuing)(?<stopped>)",
    ),
    // kernel/panic.c, vpanic()
    (FailureKind::Panic, true, r"^(?<title>Kernel panic - not syncing: .*)"),
    // mm/kasan/report.c, mm/kfence/report.c, kernel/kcsan/report.c, mm/kmsan/report.c
    (FailureKind::Sanitizer, false, r"^(?<title>BUG: (?:KASAN|KFENCE|KCSAN|KMSAN): .*)"),
    // kernel/watchdog.c
    (FailureKind::Lockup, true, r"^(?:watchdog: )?BUG: (?<title>soft lockup) - CPU#\d+ stuck"),
    (
        FailureKind::Lockup,
        true,
        r"^(?:NMI )?(?:watchdog: )?(?:CPU\d+: )?Watchdog detected (?<title>hard LOCKUP)",
    ),
    // kernel/workqueue.c, wq_watchdog_timer_fn()
    (FailureKind::Lockup, false, r"^BUG: (?<title>workqueue lockup)"),
    // arch/x86/mm/fault.c, show_fault_oops(); arch/x86/kernel/traps.c; dumpstack.c, __die_header()
    (FailureKind::Oops, true, r"^(?<title>BUG: kernel NULL pointer dereference)"),
    (FailureKind::Oops, true, r"^(?<title>BUG: unable to handle page fault)"),
    (FailureKind::Oops, true, r"^(?<title>BUG: .* stack guard page was hit)"),
    (FailureKind::Oops, true, r"^(?:traps: )?(?<title>PANIC: double fault)"),
    (FailureKind::Oops, true, r"^(?<title>Oops: [^:,]+)"),
    // lib/bug.c, __report_bug()
    (FailureKind::Bug, true, r"^(?<title>kernel BUG at .*)!$"),
    // kernel/locking/lockdep.c
    (
        FailureKind::Lockdep,
        false,
        r"^(?:WARNING|INFO): (?<title>possible .*detected|.*-unsafe lock order detected|inconsistent lock state|suspicious RCU usage|bad (?:unlock balance|contention) detected|held lock freed|Nested lock was not taken|chain_key collision|lock held when returning to user space|.* still has locks held|trying to register non-static key)",
    ),
    (FailureKind::Lockdep, false, r"^BUG: (?<title>MAX_(?:STACK_TRACE|LOCK\w*)\w* too low)"),
    (FailureKind::Lockdep, false, r"^\[ BUG: (?<title>Invalid wait context) \]"),
    (FailureKind::Bug, false, r"^\[ (?<title>BUG: .*) \]$"),
    (FailureKind::Bug, false, r"^(?<title>BUG: .*)"),
    // mm/slub.c, __slab_bug()
    (
        FailureKind::Bug,
        false,
        r"^(?<title>BUG \S+) \((?:Not tainted|Tainted: [^)]*)\): (?<what>.+)",
    ),
    // include/linux/bpf_verifier.h, verifier_bug(): comes before the WARNING that it belongs to
    (FailureKind::Warn, false, r"^(?<title>verifier bug: .*)"),
    // kernel/panic.c, __warn()
    (
        FailureKind::Warn,
        false,
        r"^(?<title>WARNING): (?:(?:CPU: \d+ PID: \d+ )?at )?(?:(?<site>\S+:\d+) (?:at )?)?(?<function>[\w.]+)(?:\+0x|, CPU#|$)",
    ),
    // lib/ubsan.c
    (FailureKind::Undefined, false, r"^(?<title>UBSAN: .*)"),
    // kernel/rcu/tree_stall.h
    (
        FailureKind::Stall,
        true,
        r"^(?:rcu: )?INFO: (?<title>\w+ (?:self-)?detected (?:expedited )?stalls? on CPU)",
    ),
    // kernel/hung_task.c
    (FailureKind::Hung, false, r"^INFO: (?<title>task [^:]+):\d+ blocked.* for more than"),
];

/// Panics that another splat asked for (`panic_on_oops` and its like): the splat says more.
const CONSEQUENCE: &str = r"^Kernel panic - not syncing: (?:Fatal exception|.*panic_on_warn set|softlockup: hung tasks|Hard LOCKUP|hung_task: blocked tasks|RCU Stall|Attempted to kill init)";

static TABLE: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    PATTERNS
        .iter()
        .map(|&(kind, located, text)| Pattern { kind, regex: regex(text), located })
        .collect()
});

/// Time and, with `PRINTK_CALLER`, who printed.
static PREFIX: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(?:<\d+>)?(?:\[ *\d+\.\d{6}\] ?)?(?:\[ *[TC]\d+\] ?)?"));
static MARKER: LazyLock<Regex> = LazyLock::new(|| regex(r"^bpf-indirect: case (?<case>.+)$"));
static RIP: LazyLock<Regex> = LazyLock::new(|| regex(r"^RIP: [0-9a-f]{4}:(?<function>[\w.]+)\+0x"));
static CONSEQUENT: LazyLock<Regex> = LazyLock::new(|| regex(CONSEQUENCE));
/// What differs between two splats of the same fault.
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])?|,? address: [0-9a-f]+|(?:0x)?[0-9a-f]{16}",
        r"| +pfn:[0-9a-f]+|(?:Comm:\S+ )?Pid:\d+",
        // From where the kernel was built to its source.
        r"|(?:\.\./)+(?:tree/)?",
    ))
});

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test compiles them all")]
fn regex(text: &str) -> Regex {
    Regex::new(text).expect("constant pattern")
}

/// The state between two lines.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    case: Option<String>,
    splats: Vec<Splat>,
    taken: usize,
    /// The last splat takes further lines.
    open: Option<Open>,
    /// A splat came since the last marker.
    seen: bool,
    /// Lines since `cut here`: the message of a `WARN()` with one.
    message: Option<Vec<String>>,
}

#[derive(Debug)]
struct Open {
    kind: FailureKind,
    wants_function: bool,
    /// A `verifier bug:` whose `WARNING:` is still to come.
    wants_warning: bool,
    /// The kernel was stopped: of its functions, also the one is wanted that was interrupted by
    /// others. Meanwhile, the title up to the first function, and that.
    stopped: Option<(String, Option<String>)>,
}

impl Scanner {
    /// Case whose marker came last, as `<name> <mode>`.
    pub(super) fn case(&self) -> Option<&str> {
        self.case.as_deref()
    }

    /// Splats that were not taken yet.
    pub(super) fn fresh(&self) -> &[Splat] {
        &self.splats[self.taken..]
    }

    /// Takes the splats that were not taken yet, up to the first of one of the cases in `waiting`.
    pub(super) fn take(&mut self, waiting: &[&str]) -> Vec<Splat> {
        let waits = |splat: &&Splat| splat.case.as_deref().is_some_and(|it| waiting.contains(&it));
        let taken: Vec<Splat> =
            self.fresh().iter().take_while(|splat| !waits(splat)).cloned().collect();
        self.taken += taken.len();
        taken
    }

    /// Looks at one line, without its end.
    pub(super) fn feed(&mut self, line: &str) {
        let text = &line[PREFIX.find(line).map_or(0, |found| found.end())..];
        if let Some(marker) = MARKER.captures(text) {
            self.case = Some(marker["case"].trim().to_owned());
            self.open = None;
            self.seen = false;
            self.message = None;
        } else if text.starts_with("---[ end ") {
            self.open = None;
            self.message = None;
        } else if text.starts_with("------------[ cut here ]") {
            self.open = None;
            self.message = Some(Vec::new());
        } else if let Some((pattern, found)) =
            TABLE.iter().find_map(|pattern| Some((pattern, pattern.regex.captures(text)?)))
        {
            self.start(pattern, &found, text);
        } else if let Some(open) = &mut self.open {
            if let Some(found) = RIP.captures(text)
                && let Some(splat) = self.splats.last_mut()
            {
                open.located(&found["function"], &mut splat.title);
            }
        } else if let Some(message) = &mut self.message {
            message.push(text.to_owned());
        }
    }

    fn start(&mut self, pattern: &Pattern, found: &Captures<'_>, text: &str) {
        if self.seen && CONSEQUENT.is_match(text) {
            return;
        }
        if let Some(open) = &mut self.open {
            let continues = match (open.kind, pattern.kind) {
                // "Oops:" heads the registers of what came before; a panic dumps registers too.
                (
                    FailureKind::Oops | FailureKind::Bug | FailureKind::Sanitizer,
                    FailureKind::Oops,
                ) => true,
                (FailureKind::Warn, FailureKind::Warn) => open.wants_warning,
                _ => false,
            };
            if continues {
                open.wants_warning = false;
                return;
            }
        }
        let message = self.message.take().unwrap_or_default();
        let title = title(found, &message);
        let stopped = found.name("stopped").map(|_| (title.clone(), None));
        self.splats.push(Splat { kind: pattern.kind, title, case: self.case.clone() });
        self.seen = true;
        self.open = Some(Open {
            kind: pattern.kind,
            wants_function: pattern.located,
            wants_warning: text.starts_with("verifier bug: "),
            stopped,
        });
    }
}

impl Open {
    /// Completes a title by where the processor was.
    fn located(&mut self, function: &str, title: &mut String) {
        if self.wants_function {
            self.wants_function = false;
            *title = format!("{title} in {function}");
            if let Some((_, top)) = &mut self.stopped {
                *top = Some(function.to_owned());
            }
        } else if let Some((start, Some(top))) = &self.stopped {
            *title = format!("{start} in {function}, below {top}");
        }
    }
}

fn title(found: &Captures<'_>, message: &[String]) -> String {
    let group = |name| found.name(name).map(|text| text.as_str());
    let mut title = group("title").unwrap_or(&found[0]).to_owned();
    if let Some(code) = title.strip_prefix("Attempted to kill init! exitcode=0x") {
        return init_ended(code);
    }
    if let Some(what) = group("what") {
        title = format!("{title}: {what}");
    }
    if title == "WARNING" {
        if let Some(first) = message.first() {
            title = format!("WARNING: {first}");
        }
        if let Some(site) = group("site") {
            title = format!("{title} at {site}");
        }
        if let Some(function) = group("function") {
            title = format!("{title} in {function}");
        }
    }
    VARYING.replace_all(&title, "").trim_end().to_owned()
}

/// The agent's wait status, in words.
fn init_ended(code: &str) -> String {
    match u32::from_str_radix(code, 16) {
        Ok(status) if status & 0x7f != 0 => {
            format!("the agent was killed by signal {}", status & 0x7f)
        }
        Ok(status) => format!("the agent exited with status {}", status >> 8 & 0xff),
        Err(_) => format!("the agent ended: 0x{code}"),
    }
}
