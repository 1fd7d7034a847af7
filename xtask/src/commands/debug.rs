//! `cargo xtask debug`: runs a case in a guest that waits for gdb before its first instruction.

use std::io::{IsTerminal, stdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use bpf_wire::Mode;
use clap::Args;

use super::start::{Started, start};
use crate::cli::{GuestArgs, ModeArg};
use crate::debug::gdb::Meeting;
use crate::exit::{Status, Stop};
use crate::host;
use crate::kernel::build;
use crate::report::record::{Counts, Record, Verdict};
use crate::report::repeat::Setting;
use crate::report::terminal;
use crate::run::guest::Guest;
use crate::run::select;
use crate::run::session::{self, Prepared, Rules};
use crate::ui::{errln, out, outln};

/// Steps of the model that are shown of a case that failed, as `test` shows them.
const SHOWN_STEPS: usize = 20;

/// Options of `debug`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask debug callx/one_callee                 prints the gdb command to type elsewhere
  cargo xtask debug callx/one_callee --gdb           gdb in this terminal
  cargo xtask debug gotox/many_targets --mode interp
  cargo xtask debug callx/one_callee --config dwarf  a kernel with types and lines

The machine does nothing until gdb says `continue`, and then stops at bpf_check(), where the kernel
starts to verify the case's program: nothing else is loaded before it, as nothing is probed. Commands
of the script beside gdb's own: bpf-jit to stop at the start of the machine code as well, bpf-log for
the verifier's log. Without --config dwarf gdb knows the kernel's symbols, but no types and lines.

No deadline runs meanwhile. When the case is over its verdict is printed as `test` prints it. Leaving
gdb by `detach` or by Ctrl-D lets the case run to its end; `kill` ends the machine.

Exit status: as that of `test`.")]
pub(crate) struct Debug {
    /// The name of a case, or a regular expression that one name alone matches.
    #[arg(value_name = "CASE")]
    case: String,
    /// How it is executed.
    #[arg(long, value_enum, default_value = "jit")]
    mode: ModeArg,
    /// Start gdb in this terminal.
    #[arg(long)]
    gdb: bool,
    #[command(flatten)]
    on: GuestArgs,
}

impl Debug {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let case = select::one(bpf_suites::all(), &self.case)?;
        if self.gdb && !stdin().is_terminal() {
            return Err(Stop::Usage("--gdb needs a terminal; leave it out".to_owned()).into());
        }
        let Started { built, mut guest, console, accel, .. } = start(&self.on)?;
        let setting = Setting::new(&built, accel);
        if self.gdb {
            host::require(host::GDB)?;
        }
        let meeting = Meeting::prepare(&built.vmlinux)?;
        guest.debug_over(meeting.socket());
        let prepared = session::prepare(case);
        let mode = Mode::from(self.mode);
        let start = Instant::now();
        let records = attended(&meeting, self.gdb, || {
            let patches = match self.on.kernel.linux {
                Some(_) => None,
                None => Some(build::subjects(&built)?),
            };
            let emission = guest.emission(&built)?;
            let rules = Rules { patches, emission, ..rules(mode) };
            let records = run(&prepared, &rules, &mut guest, &setting)?;
            guest.end()?;
            Ok(records)
        })?;
        let counts = Counts::of(&records);
        out!("{}", terminal::summary(&records, counts, start.elapsed().as_secs_f64()));
        if counts.failed + counts.broken > 0 {
            outln!("consoles: {}", console.display());
        }
        Ok(counts.status())
    }
}

/// One mode, and nothing that loads another program: no probes.
pub(crate) fn rules(mode: Mode) -> Rules {
    Rules {
        modes: vec![mode],
        fail_fast: true,
        probe: false,
        too_strict: false,
        declared: false,
        patches: None,
        emission: crate::run::jit_image::Emission::default(),
    }
}

/// Runs the case, and says what is wrong with it.
pub(crate) fn run(
    prepared: &Prepared,
    rules: &Rules,
    guest: &mut Guest,
    setting: &Setting,
) -> Result<Vec<Record>> {
    session::run(std::slice::from_ref(prepared), rules, guest, |prepared, records| {
        let bad = |record: &Record| matches!(record.verdict, Verdict::Failed | Verdict::Broken);
        if records.iter().any(bad) {
            let plan = prepared.plan.as_ref().ok();
            let text = terminal::failure(&prepared.case, plan, records, SHOWN_STEPS, setting);
            errln!("{text}");
        }
    })
}

/// Does the work while gdb is waited for, or runs in this terminal.
fn attended<T>(meeting: &Meeting, gdb: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let attendant = scope.spawn(|| -> Result<()> {
            if !meeting.wait(&over) {
                return Ok(());
            }
            if gdb {
                return meeting.run_gdb();
            }
            let command = meeting.command().join(" ");
            errln!("the machine waits for gdb; in another terminal:\n  {command}");
            if host::find_program(host::GDB).is_none() {
                errln!("the host lacks gdb; install with:\n  apt-get install -y gdb");
            }
            Ok(())
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        let attended = attendant.join();
        let done = done?;
        attended.ok().context("the thread that waits for gdb panicked")??;
        Ok(done)
    })
}
