//! `cargo xtask debug`: runs a case in a guest that waits for gdb before its first instruction.

use std::io::{IsTerminal, stdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use bpf_wire::Mode;
use clap::Args;

use super::test::SHOWN_STEPS;
use crate::cli::{self, GuestArgs};
use harness_host::exit::{Status, Stop};
use harness_host::needs;
use harness_host::ui::{errln, out, outln};
use harness_inspect::gdb::Meeting;
use harness_kernel::build;
use harness_report::live::Live;
use harness_report::repeat::Setting;
use harness_report::terminal;
use harness_results::event::Stream;
use harness_results::record::Counts;
use harness_session::Alone;
use harness_session::start::{Started, start};
use harness_suites::cases::{self, Rules};
use harness_suites::select;

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
    #[arg(long, value_parser = cli::mode(), default_value = "jit")]
    mode: Mode,
    /// Start gdb in this terminal.
    #[arg(long)]
    gdb: bool,
    #[command(flatten)]
    on: GuestArgs,
}

impl Debug {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status> {
        let case = select::one(crate::suites(), &self.case)?;
        if self.gdb && !stdin().is_terminal() {
            return Err(Stop::Usage("--gdb needs a terminal; leave it out".to_owned()).into());
        }
        let Started { built, mut guest, console, accel, .. } = start(&self.on.on())?;
        let setting = Setting::new(&built, accel);
        if self.gdb {
            needs::require(needs::GDB)?;
        }
        let meeting = Meeting::prepare(&built.vmlinux)?;
        guest.debug_over(meeting.socket());
        let prepared = [cases::prepare(case)];
        let start = Instant::now();
        let records = attended(&meeting, self.gdb, || {
            let patches = match self.on.kernel.linux {
                Some(_) => None,
                None => Some(build::subjects(&built)?),
            };
            // Nothing that loads another program: no probes.
            let rules = Rules {
                patches,
                fail_fast: true,
                probe: false,
                ..Rules::on(&mut guest, &built, vec![self.mode])?
            };
            let mut live = Live::new(SHOWN_STEPS, false).on(setting);
            let mut stream = Stream::new(vec![&mut live]);
            let records = cases::run("case", &prepared, &rules, &mut guest, &Alone, &mut stream)?;
            guest.end()?;
            Ok(records)
        })?;
        let counts = Counts::of(&records);
        if counts.failed + counts.error > 0 {
            outln!("consoles: {}", console.display());
        }
        out!("{}", terminal::summary(&records, counts, start.elapsed().as_secs_f64()));
        Ok(counts.status())
    }
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
            if needs::find_program(needs::GDB).is_none() {
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
